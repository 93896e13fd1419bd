/** @file A thread of the pool. */

import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { DistillError } from "../core/errors.ts";
import { createRewards, type RewardSpec } from "./create.ts";
import { judge } from "./judge.ts";
import type { Answer } from "./pool.ts";
import type { Sample } from "./reward.ts";

const rewards = createRewards(workerData as RewardSpec[]);

parentPort?.on("message", async ({ samples, port }: { samples: Sample[]; port: MessagePort }) => {
  port.postMessage(await answer(samples));
});

async function answer(samples: readonly Sample[]): Promise<Answer> {
  try {
    const made = await rewards;
    return { judgements: await Promise.all(samples.map((sample) => judge(made, sample))) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error), mendable: error instanceof DistillError };
  }
}
