/** @file A thread that computes loops for the one that owns the states. */

import { parentPort } from "node:worker_threads";
import { type LoopAnswer, type LoopCall, LoopInstance } from "./loops.ts";

const instances = new Map<number, LoopInstance>();

parentPort?.on("message", (call: LoopCall) => parentPort!.postMessage(compute(call)));

function compute({ id, loop, items }: LoopCall): LoopAnswer {
  try {
    if (loop) instances.set(id, new LoopInstance(loop));
    const instance = instances.get(id)!;
    return { sums: items.map((item) => instance.runAt(item)) };
  } catch (error) {
    return { sums: [], error: (error as Error).message };
  }
}
