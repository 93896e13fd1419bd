#!/usr/bin/env node
/** @file The process of the command line: its signals, its streams and its exit code. */

import { commandLine } from "./command-line.ts";

/**
 * Ctrl-C and the signals that end a service or a session ask the command to stop at a good place; a second Ctrl-C stops it
 * at once. Who sends SIGTERM waits some seconds and then kills, so it is stopped before that in any case: what is written
 * by then is whole.
 */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const GRACE = 9000; // ms
const interrupt = new AbortController();
let exitCode: number | undefined;
for (const [signal, code] of Object.entries(EXIT_CODES))
  process.on(signal, () => {
    if (signal === "SIGINT" && interrupt.signal.aborted) process.exit(code);
    exitCode ??= code;
    const again = signal === "SIGINT" ? "; Ctrl-C again stops at once" : ` (${signal})`;
    process.stderr.write(`\nStopping after what is under way${again}.\n`);
    interrupt.abort();
    if (signal !== "SIGINT") setTimeout(() => process.exit(code), GRACE).unref();
  });
// a terminal that is gone takes no more words
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
  });

const failed = await commandLine(process.argv.slice(2), interrupt.signal);
process.exitCode = exitCode ?? failed;
