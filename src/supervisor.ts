/**
 * @file Watches over the process that works. A library that crashes ends that process without a word; here it becomes a
 * sentence and an exit code.
 */

import { fork } from "node:child_process";
import { constants } from "node:os";
import { moduleUrl } from "./core/modules.ts";
import { type Done, EXIT_CODES, GRACE, type Stop, type StopSignal } from "./stopping.ts";

/** ms after which what was told to end at once and is still inside a library is killed. */
const PATIENCE = 1000;

/** Do what the arguments say in a process of its own, which has this one's terminal, and end as it ends. */
export function supervise(args: readonly string[]): void {
  const child = fork(moduleUrl("work.js"), args, { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  const received = new Set<StopSignal>();
  /** How it ends, once that is known. */
  let ending: number | undefined;

  const tell = (stop: Stop) => {
    if (child.connected) child.send(stop, () => {}); // it may have ended meanwhile
  };
  const killIn = (ms: number, code: number) =>
    setTimeout(() => {
      ending ??= code;
      child.kill("SIGKILL");
    }, ms).unref();
  for (const signal of Object.keys(EXIT_CODES) as StopSignal[])
    process.on(signal, () => {
      const again = signal === "SIGINT" && received.has(signal);
      received.add(signal);
      tell({ signal, again });
      if (again) {
        ending ??= EXIT_CODES[signal];
        killIn(PATIENCE, ending);
      } else if (signal !== "SIGINT") killIn(GRACE + PATIENCE, EXIT_CODES[signal]);
    });

  child.on("message", ({ code }: Done) => {
    ending = code;
  });
  child.on("error", (error) => {
    console.error(`Error: The process that is to do the work cannot be started: ${error.message}.`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    const crash = ending === undefined ? describeEnd(args[0]!, code, signal) : undefined;
    if (crash) console.error(`Error: ${crash}`);
    process.exit(signal ? (ending ?? 128 + constants.signals[signal]) : code! < FIRST_STATUS ? code! : (ending ?? 1));
  });
}

const KEPT = "What was written before is whole; the same command continues from there.";

/** What ended the process, in a sentence; nothing where it ended by itself or was asked to. */
function describeEnd(verb: string, code: number | null, signal: NodeJS.Signals | null): string | undefined {
  if (signal ? signal in EXIT_CODES : code! < FIRST_STATUS) return undefined;
  const how = signal ?? `0x${code!.toString(16)}`;
  if (signal === "SIGKILL")
    return `distill ${verb} was killed (SIGKILL), which is what the system does where memory runs out. ${KEPT} If nobody killed it, make the work smaller: fewer or shorter rows, fewer sequences, a smaller model.`;
  const words = signal === "SIGABRT" ? "; its own words stand above" : "";
  return `A library that distill ${verb} computes with crashed (${how}${words}). ${KEPT} If it crashes again, "distill doctor" says which devices work here; take another one, or smaller sizes.`;
}

/** Windows ends a process that crashed with a status from here on. */
const FIRST_STATUS = 0xc0000000;
