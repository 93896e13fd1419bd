/** @file The process that does what the command line says: its signals, its streams and its exit code. */

import { commandLine } from "./command-line.ts";
import { type Done, EXIT_CODES, GRACE, type Stop, type StopSignal } from "./stopping.ts";

/**
 * Ctrl-C and the signals that end a service or a session ask the command to stop at a good place; a second Ctrl-C stops it
 * at once. Who sends SIGTERM waits some seconds and then kills, so it is stopped before that in any case: what is written
 * by then is whole.
 */
const interrupt = new AbortController();
const received = new Set<StopSignal>();
let exitCode: number | undefined;
let done = false;

function stop(signal: StopSignal): void {
  if (received.has(signal)) return;
  received.add(signal);
  exitCode ??= EXIT_CODES[signal];
  const again = signal === "SIGINT" ? "; Ctrl-C again stops at once" : ` (${signal})`;
  process.stderr.write(`\nStopping after what is under way${again}.\n`);
  interrupt.abort();
  if (signal !== "SIGINT") setTimeout(() => process.exit(EXIT_CODES[signal]), GRACE).unref();
}

/** Where another process watches over this one, a terminal tells both, so only what that one counts is a second time. */
const watched = process.send !== undefined;
for (const signal of Object.keys(EXIT_CODES) as StopSignal[])
  process.on(signal, () => {
    if (!watched && signal === "SIGINT" && received.has(signal)) process.exit(EXIT_CODES[signal]);
    stop(signal);
  });
if (watched) {
  process.on("message", ({ signal, again }: Stop) => {
    if (again) process.exit(EXIT_CODES[signal]);
    stop(signal);
  });
  process.on("exit", (code) => {
    if (done || received.size > 0) return;
    process.stderr.write(
      `Error: The work was ended from inside (code ${code}) before it was done, which a reward module that calls process.exit does, or one that never answers. What was written before is whole; the same command continues.\n`,
    );
    process.exitCode = code || 1;
  });
  // who watched was killed, and this is what was meant
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
  process.channel?.unref();
}

// a terminal that is gone takes no more words, and a full disk no more of what is printed: neither ends the work
let unprinted = false;
process.stderr.on("error", () => {});
process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
  if (code === "EPIPE" || code === "EIO" || unprinted) return;
  unprinted = true;
  process.stderr.write(
    `Error: What this command prints cannot be written where it is to go: ${message}. The work goes on, and ends with code 1.\n`,
  );
});

const failed = await commandLine(process.argv.slice(2), interrupt.signal);
await new Promise(setImmediate); // what was printed last may fail a turn later
done = true;
process.exitCode = exitCode ?? (failed || (unprinted ? 1 : 0));
// who watched may have been killed meanwhile
process.send?.({ code: process.exitCode } satisfies Done, undefined, undefined, () => {});
