/** @file A thread that computes loops for the one that owns the states. */

import { parentPort } from "node:worker_threads";
import { type LoopAnswer, type LoopCall, LoopInstance } from "./loops.ts";

const instances = new Map<number, LoopInstance>();

parentPort?.on("message", (call: LoopCall) => {
  const answer = compute(call);
  const arrays = "arrays" in answer ? answer.arrays.flat() : [];
  parentPort!.postMessage(
    answer,
    arrays.map(({ buffer }) => buffer),
  );
});

function compute({ id, loop, items }: LoopCall): LoopAnswer {
  try {
    if (loop) instances.set(id, new LoopInstance(loop));
    const instance = instances.get(id)!;
    const sums = items.map((item) => instance.run(item));
    return { arrays: items.map(({ arrays }) => arrays), sums };
  } catch (error) {
    return { error: (error as Error).message };
  }
}
