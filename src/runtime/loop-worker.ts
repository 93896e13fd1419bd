/** @file A thread that computes loops for the one that owns the states. */

import { parentPort } from "node:worker_threads";
import { type LoopAnswer, type LoopCall, LoopInstance } from "./loops.ts";

const instances = new Map<number, LoopInstance>();

parentPort?.on("message", (call: LoopCall) => {
  const answer = compute(call);
  parentPort!.postMessage(
    answer,
    answer.arrays.flat().map(({ buffer }) => buffer),
  );
});

/** Arrays go back whatever comes of it. */
function compute({ id, loop, items }: LoopCall): LoopAnswer {
  const arrays = items.map(({ arrays }) => arrays);
  try {
    if (loop) instances.set(id, new LoopInstance(loop));
    const instance = instances.get(id)!;
    return { arrays, sums: items.map((item) => instance.run(item)) };
  } catch (error) {
    return { arrays, sums: [], error: (error as Error).message };
  }
}
