/** @file What a process and all that it started took of processors, which other programs on the machine change little. */

import { readdirSync, readFileSync } from "node:fs";

const TICK_MS = 10;

/** Milliseconds so far, of this process, its living descendants and those that ended; nothing where /proc does not tell. */
export function processorTime(): number | undefined {
  if (process.platform !== "linux") return undefined;
  const all = new Map<number, { parent: number; ms: number }>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
    try {
      const text = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
      all.set(Number(pid), { parent: Number(fields[1]), ms: ticks * TICK_MS });
    } catch {
      // it has ended meanwhile
    }
  const isOurs = (pid: number): boolean => pid === process.pid || (all.has(pid) && isOurs(all.get(pid)!.parent));
  return [...all].reduce((sum, [pid, { ms }]) => sum + (isOurs(pid) ? ms : 0), 0);
}
