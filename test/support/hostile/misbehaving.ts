/** @file Loads that fail in every way, so that it is known that each would be found. */

import { DistillError } from "../../../src/core/errors.ts";
import { pace } from "../pace.ts";
import type { Limits } from "./run.ts";
import type { Target } from "./target.ts";

/** What is allowed here: little, so that it is soon seen that more is found. */
export const LITTLE: Limits = { seconds: 0.2, megabytes: 256, patience: 10_000 };

const WAYS: (() => unknown)[] = [
  () => "a load",
  () => {
    throw new DistillError("a sentence");
  },
  () => {
    throw new TypeError("no sentence");
  },
  () => process.exit(3),
  () => {
    const microseconds = 2.5e6 * LITTLE.seconds * pace();
    const start = process.cpuUsage();
    for (let used = { user: 0, system: 0 }; used.user + used.system < microseconds; used = process.cpuUsage(start));
  },
  () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0),
  () => new Uint8Array(1.1 * LITTLE.megabytes * 2 ** 20).fill(1).length,
  () => "another load",
];

let next = Number(process.argv[4]);

export const target: Target = async () => () => {
  const i = next++;
  return { what: `way ${i}`, load: WAYS[i]! };
};
