/**
 * @file One writer for a folder. Each process that wants to write puts a file of its own, under a name that is never used
 * again, beside those of the others, and may write where it then finds no other that lives. A killed process leaves its
 * file: who finds it removes it.
 */

import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync, utimesSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { isLeftover, makeFolder, writeWhole } from "../core/files.ts";
import { readFile } from "../core/streams.ts";

export type Lock = { release(): void };

const Owner = z.object({
  host: z.string(),
  /** What a process id means something in: a boot of a machine, and a namespace of it. */
  machine: z.string(),
  pid: z.int(),
  /** When the process began, as the system counts it: ids of processes are used again. */
  began: z.string(),
  command: z.string(),
  since: z.string(),
});
type Owner = z.output<typeof Owner>;

/** ms after which the lock of a process that cannot be asked, on another machine, counts as left by a dead one. */
const SILENCE = 10 * 60_000;
const HEARTBEAT = 15_000;

/** Be the only writer of what `folder` stands for, or throw a sentence that names who is. `what` is what is locked. */
export async function acquireLock(folder: string, what: string): Promise<Lock> {
  makeFolder(folder);
  for (let tries = 0; ; tries++) {
    const own = join(folder, `${randomUUID()}.json`);
    writeWhole(own, `${JSON.stringify(ownerOf(process))}\n`);
    const other = living(folder, own);
    if (!other) return held(own);
    rmSync(own, { force: true });
    // two that came at once have both stepped back
    if (tries === 3) throw new DistillError(refusal(what, other));
    await sleep(50 + Math.random() * 200);
  }
}

function held(path: string): Lock {
  const beat = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date());
    } catch {
      // the folder was removed; the next write says so
    }
  }, HEARTBEAT);
  beat.unref();
  const release = () => {
    clearInterval(beat);
    process.off("exit", release);
    try {
      rmSync(path, { force: true });
    } catch {
      // who comes next finds that this process is gone
    }
  };
  process.on("exit", release);
  return { release };
}

/** Another process that holds the lock, or is about to. What dead ones left is removed. */
function living(folder: string, own: string): (Owner & { path: string; silent: number }) | undefined {
  const now = statSync(own).mtimeMs; // by the disk's clock
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (path === own) continue;
    try {
      const silent = now - statSync(path).mtimeMs;
      if (name.endsWith(".tmp")) {
        if (silent > SILENCE || isLeftover(name)) rmSync(path, { force: true });
        continue;
      }
      const owner = Owner.safeParse(JSON.parse(readFile(path).toString("utf8")));
      if (owner.success && isAlive(owner.data, silent)) return { ...owner.data, path, silent };
      if (owner.success || silent > SILENCE) rmSync(path, { force: true });
    } catch {
      // it was removed meanwhile, or is no lock
    }
  }
  return undefined;
}

function isAlive({ machine, pid, began }: Owner, silent: number): boolean {
  const { machine: here } = ownerOf(process);
  if (machine !== here) return silent < SILENCE;
  return startOf(pid) === began;
}

function refusal(
  what: string,
  { command, pid, host, since, machine, path, silent }: NonNullable<ReturnType<typeof living>>,
) {
  const here = machine === ownerOf(process).machine;
  const where = here ? `process ${pid}` : `process ${pid} on ${host}, last heard of ${Math.round(silent / 1000)} s ago`;
  const cure = here
    ? "Wait for it, or stop it; reading is always allowed."
    : `Wait for it, or stop it; if it is gone, remove ${path}, or wait ${SILENCE / 60_000} minutes.`;
  return `${what} is being written by distill ${command} (${where}, since ${since}). ${cure}`;
}

let self: Owner | undefined;
function ownerOf({ pid, argv }: NodeJS.Process): Owner {
  self ??= {
    host: hostname(),
    machine: machineId(),
    pid,
    began: startOf(pid) ?? "",
    command: argv[2] ?? "",
    since: "",
  };
  return { ...self, since: new Date().toISOString() };
}

function machineId(): string {
  try {
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname();
  }
}

/** When a process of this machine began; undefined where there is none. */
function startOf(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return undefined;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : fields[18]; // the 22nd of the line
  } catch {
    return ""; // a system without /proc: that there is a process must do
  }
}
