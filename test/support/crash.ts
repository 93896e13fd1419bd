/**
 * @file Imported into a process before its program: once the file or folder DISTILL_TEST_CRASH is there, the thread that
 * computes reads what no pointer may point to, as a library does that is about to crash. With "at exit" the process does so
 * when its work is done.
 */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";

const place = process.env.DISTILL_TEST_CRASH;
const crash = () => (createRequire(import.meta.url)("koffi") as typeof import("koffi")).decode(1n, "char", -1);
if (place === "at exit" && process.send) process.on("exit", crash);
if (place && place !== "at exit" && !isMainThread) {
  const timer = setInterval(() => {
    if (existsSync(place)) crash();
  }, 1);
  timer.unref();
}
