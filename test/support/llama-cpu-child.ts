/** @file Starts llama.cpp in a process of its own and prints which builds of its kernels are loaded, or why it did not start. */

import { readFileSync } from "node:fs";
import { startLlama } from "../../src/teachers/llama-cpp/start.ts";

const failure = await startLlama(false).then(
  () => undefined,
  (error: Error) => `${error}`,
);
const builds = readFileSync("/proc/self/maps", "utf8").matchAll(/libggml-cpu-(\w+)\.so/g);
console.log(JSON.stringify({ failure, builds: [...new Set([...builds].map(([, name]) => name))] }));
process.exit();
