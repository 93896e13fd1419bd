/**
 * @file Imported into a process before its program: once the file or folder DISTILL_TEST_CRASH is there, the thread that
 * computes reads what no pointer may point to, as a library does that is about to crash.
 */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";

const place = process.env.DISTILL_TEST_CRASH;
if (place && !isMainThread) {
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const timer = setInterval(() => {
    if (existsSync(place)) koffi.decode(1n, "char", -1);
  }, 1);
  timer.unref();
}
