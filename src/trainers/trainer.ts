/** @file What a trainer is: an objective and a source of batches for the loop, made from what a recipe gives. */

import type { z } from "zod";
import type { Judgement } from "../core/trace.ts";
import type { Segment } from "../data/batch.ts";
import type { Segments } from "../data/example-store.ts";
import type { Likely, LikelyExamples } from "../data/likely.ts";
import type { PromptSource } from "../data/prompts.ts";
import type { Rollout } from "../data/rollouts.ts";
import type { Model } from "../models/model.ts";
import { type Course, type TrainingResult, type TrainingRun, train } from "./loop.ts";
import type { TrainerOptions } from "./options.ts";
import type { Backend, PromptTokens } from "./rollouts.ts";

/** What there is to train with. */
export type Materials = Pick<TrainingRun, "device" | "model" | "folder" | "fingerprint" | "key" | "signal"> & {
  /** The examples of the dataset, for trainers that need one. */
  segments?: Segments | undefined;
  /** What the teacher found likely in them, for trainers that ask for it. */
  likely?: LikelyExamples | undefined;
  /** Examples that are not trained on, for trainers that are measured on some. */
  validation?: Segments | undefined;
  /** For trainers that need prompts: what the student answers, and how its answers end and are read. */
  prompts?: readonly PromptTokens[] | undefined;
  asked?: { stops: readonly number[]; decode: (ids: readonly number[]) => string } | undefined;
  /** What else may draw the student's answers, for trainers that correct for it. */
  backend?: Backend | undefined;
  teacher?: Beside | undefined;
  /** Problems that the student is measured on between steps. */
  evaluated?: readonly PromptTokens[] | undefined;
  /** What rules say of the samples of one prompt, for trainers that judge; nothing where the signal ended it. */
  judge?: ((samples: readonly Rollout[]) => Promise<Judgement[] | undefined>) | undefined;
  /** The student as it was at the start, as a model whose weights are states of the device. */
  reference?: (() => Promise<Model>) | undefined;
};

/**
 * A teacher beside the student: a model whose weights are states of the same device under names of its own, or one that
 * scores texts, which gives nothing where a signal ended it.
 */
export type Beside =
  | { model: Model }
  | { score(segments: readonly Segment[]): Promise<Likely[] | undefined>; top_logprobs: number };

/** A trainer as a recipe names it. */
// biome-ignore lint/suspicious/noExplicitAny: each trainer checks its own options.
export type Trainer<Options extends z.ZodObject = any> = {
  options: Options;
  /** Examples that are known beforehand, or prompts that the student answers between steps. */
  needs: "dataset" | "prompts";
  /** Whether its loss can be measured on examples that are not trained on. */
  validates?: boolean;
  /** What it asks of the recipe's teacher: its log-probabilities of the dataset's tokens, made beforehand, or itself. */
  teacher?: "logprobs" | "model";
  /** How many of the teacher's most likely tokens it reads in each place; all of them where it does not say. */
  top_logprobs?(options: z.output<Options>): number | undefined;
  /** Of a trainer that needs prompts: which they are, the most tokens of an answer, and which it is measured on meanwhile. */
  asks?(options: z.output<Options>): {
    prompts: PromptSource;
    max_completion_length: number;
    evaluates?: PromptSource;
  };
  /** Whether its student's answers may be drawn by another backend than the trainer's sampler. */
  samplers?: boolean;
  /** Whether it keeps near to a reference. */
  keepsNear?(options: z.output<Options>): boolean;
  /** Options that do not go together: the key of one, and what is wrong. */
  conflict?(options: z.output<Options>): { key: string; message: string } | undefined;
  /** Whether it asks the recipe's rewards what a completion is worth. */
  judges?: boolean;
  /** Whether it needs a dataset beside its prompts. */
  dataset?(options: z.output<Options>): boolean;
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
