/** @file What a trainer is: an objective and a source of batches for the loop, made from what a recipe gives. */

import type { z } from "zod";
import type { Segments } from "../data/example-store.ts";
import type { LikelyExamples } from "../data/likely.ts";
import { type Course, type TrainingResult, type TrainingRun, train } from "./loop.ts";
import type { TrainerOptions } from "./options.ts";

/** What there is to train with. */
export type Materials = Pick<TrainingRun, "device" | "model" | "folder" | "fingerprint" | "signal"> & {
  /** The examples of the dataset, for trainers that need one. */
  segments: Segments;
  /** What the teacher found likely in them, for trainers that ask for it. */
  likely?: LikelyExamples | undefined;
};

/** A trainer as a recipe names it. */
// biome-ignore lint/suspicious/noExplicitAny: each trainer checks its own options.
export type Trainer<Options extends z.ZodObject = any> = {
  options: Options;
  /** Examples that are known beforehand, or prompts that the student answers between steps. */
  needs: "dataset" | "prompts";
  /** What it asks of the recipe's teacher: its log-probabilities of the dataset's tokens, made beforehand. */
  teacher?: "logprobs";
  // biome-ignore lint/suspicious/noExplicitAny: only a trainer's own objective reads its batches.
  create(options: z.output<Options>): (materials: Materials) => Course<any> | Promise<Course<any>>;
};

/** Train with what a recipe gives, until the last step or the signal. */
export async function trainWith(
  trainer: Trainer,
  options: TrainerOptions,
  run: TrainingRun,
  given: Omit<Materials, keyof TrainingRun>,
): Promise<TrainingResult> {
  return train(run, await trainer.create(options)({ ...run, ...given }), options);
}

export const defineTrainer = <Options extends z.ZodObject>(trainer: Trainer<Options>) => trainer;
