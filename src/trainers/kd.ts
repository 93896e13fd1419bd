/**
 * @file Distillation from the teacher's probabilities (arXiv:1503.02531): beside the next token of a dataset's completions,
 * what the teacher found likely in its place, stored with each of them.
 */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import type { Batch } from "../data/batch.ts";
import type { Likely } from "../data/likely.ts";
import { crossEntropy } from "../nn/cross-entropy.ts";
import { mixed, TAILS, type Tail, topDivergence } from "../nn/divergence.ts";
import { epochs } from "./epochs.ts";
import type { Objective } from "./objective.ts";
import { TrainerOptions } from "./options.ts";
import {
  type Column,
  LABELS,
  labelsOf,
  type Operand,
  supervisedFeeds,
  supervisedIn,
  supervisedLoss,
} from "./supervised.ts";
import { defineTrainer } from "./trainer.ts";
import { ValidationOptions, validated } from "./validation.ts";

export const KdOptions = TrainerOptions.extend({
  ...ValidationOptions.shape,
  alpha: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("The share of the cross-entropy in the loss; the rest is the forward KL to the teacher."),
  top_logprobs: z
    .int()
    .positive()
    .default(16)
    .describe("How many of the teacher's most likely tokens are stored for each token."),
  tail: z.enum(TAILS).default("bucket").describe("What becomes of the probability of all other tokens."),
  temperature: z
    .number()
    .default(1)
    .refine(
      (temperature) => temperature === 1,
      "what is stored is the teacher's distribution at temperature 1; at another, the probability of the tokens that are not stored cannot be known from their sum. Leave it out",
    )
    .describe("Of the teacher's distribution; nothing else than 1."),
});
export type KdOptions = z.output<typeof KdOptions>;

/** Beside a batch, what the teacher found likely at each of its supervised positions. */
export type KdBatch = Batch & { likely: Likely };

export const kd = defineTrainer({
  options: KdOptions.describe(
    "The next token of given completions, and what the teacher found likely in the place of each.",
  ),
  needs: "dataset",
  validates: true,
  teacher: "logprobs",
  top_logprobs: ({ top_logprobs }) => top_logprobs,
  create:
    (options) =>
    ({ device, model, segments, likely, validation, signal }) => {
      if (!segments || !likely)
        throw new DistillError("The trainer kd needs examples and what a teacher found likely in them.");
      const of = (i: number) => {
        const found = likely.of(segments.numbers[i]!);
        const learned = segments.at(i).supervised.slice(1).filter(Boolean).length;
        if (found.tail.length !== learned)
          throw new DistillError(
            `Dataset row ${segments.rows[i]} has ${learned} tokens to learn, and ${found.tail.length} are scored. Remove the folder logprobs of the run: the same command scores them again.`,
          );
        return found;
      };
      return {
        objective: topKd(options.top_logprobs, options),
        source: validated(
          epochs(device, model, segments, options, (batch, rows) => ({
            ...batch,
            likely: joined(rows.flat().map(of)),
          })),
          validation,
          options,
          signal,
        ),
      };
    },
});

/** alpha · cross-entropy + (1 - alpha) · forward KL over the teacher's k most likely tokens, mean over supervised tokens. */
export function topKd(k: number, { alpha, tail }: { alpha: number; tail: Tail }): Objective<KdBatch> {
  const rule = mixed(
    alpha,
    { name: "cross_entropy", rule: crossEntropy, operands: 1 },
    { name: "forward_kl", rule: topDivergence(0, tail) },
  );
  return {
    loss: (model, shape, options) => supervisedLoss(model, shape, rule, [LABELS, ...topOperands(k)], options),
    feeds(batches) {
      const total = supervisedIn(batches);
      return batches.map((batch) =>
        supervisedFeeds(batch, 1 / total, { labels: labelsOf(batch), ...topColumns(batch.likely, k) }),
      );
    },
  };
}

/** What topDivergence reads, and the columns for it. */
export const topOperands = (k: number): Operand[] => [
  { column: "top_ids", dtype: "int32", width: k },
  { column: "top_logprobs", dtype: "float32", width: k },
  { column: "tail", dtype: "float32", width: 1 },
];

export function topColumns({ ids, logprobs, tail }: Likely, k: number): Record<string, Column> {
  const each = (
    from: ArrayLike<number> & { subarray(start: number, end: number): ArrayLike<number> },
    width: number,
  ) => ({
    width,
    at: (position: number) => from.subarray(position * width, (position + 1) * width),
  });
  const known = Array.from({ length: k }, (_, i) => i); // all different, as the rule wants them
  return {
    top_ids: { dtype: "int32", ...each(ids, k), padding: known },
    top_logprobs: { dtype: "float32", ...each(logprobs, k), padding: known.map(() => -Math.log(2 * k)) },
    tail: { dtype: "float32", ...each(tail, 1), padding: [-Math.log(2)] },
  };
}

/** What was found likely in several texts, one after the other. */
export function joined(all: readonly Likely[]): Likely {
  const length = (key: keyof Likely) => all.reduce((sum, likely) => sum + likely[key].length, 0);
  const ids = new Int32Array(length("ids"));
  const logprobs = new Float32Array(length("logprobs"));
  const tail = new Float32Array(length("tail"));
  let [at, row] = [0, 0];
  for (const likely of all) {
    ids.set(likely.ids, at);
    logprobs.set(likely.logprobs, at);
    tail.set(likely.tail, row);
    at += likely.ids.length;
    row += likely.tail.length;
  }
  return { ids, logprobs, tail };
}
