/** @file Judging batches of samples, on several threads where the rules allow it. */

import { availableParallelism } from "node:os";
import { MessageChannel, Worker } from "node:worker_threads";
import { DistillError } from "../core/errors.ts";
import { moduleUrl } from "../core/modules.ts";
import type { Judgement } from "../core/trace.ts";
import { createRewards, type RewardSpec } from "./create.ts";
import { judge } from "./judge.ts";
import type { Sample } from "./reward.ts";

export type JudgePool = {
  judge(samples: readonly Sample[]): Promise<Judgement[]>;
  /** Batches that are under way at once. */
  width: number;
  close(): Promise<void>;
};

export type Answer = { judgements: Judgement[] } | { error: string; mendable: boolean };

export async function openPool(specs: readonly RewardSpec[], threads = availableParallelism()): Promise<JudgePool> {
  const rewards = await createRewards(specs);
  if (threads < 2 || rewards.some(({ ownThread }) => ownThread)) {
    return {
      judge: (samples) => Promise.all(samples.map((sample) => judge(rewards, sample))),
      width: 1,
      close: async () => {},
    };
  }
  const workers = Array.from(
    { length: threads },
    () =>
      new Worker(moduleUrl("rewards/judge-worker.js"), {
        workerData: specs,
        resourceLimits: { maxYoungGenerationSizeMb: 16 },
      }),
  );
  let next = 0;
  return {
    judge: (samples) => ask(workers[next++ % workers.length]!, samples),
    width: threads + 1, // one waits while the others are judged
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** Answers come in the order of the questions, so each waits for its own channel. */
function ask(worker: Worker, samples: readonly Sample[]): Promise<Judgement[]> {
  const { port1, port2 } = new MessageChannel();
  return new Promise<Judgement[]>((resolve, reject) => {
    worker.once("error", reject);
    port1.on("message", (data: Answer) => {
      worker.off("error", reject);
      port1.close();
      if ("judgements" in data) resolve(data.judgements);
      else reject(data.mendable ? new DistillError(data.error) : new Error(data.error));
    });
    worker.postMessage({ samples, port: port2 }, [port2]);
  });
}
