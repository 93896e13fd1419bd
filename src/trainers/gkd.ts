/**
 * @file On-policy distillation (GKD, arXiv:2306.13649): the student writes, and learns at each of its own tokens what the
 * teacher would have found likely there.
 */

import { z } from "zod";
import { notContent } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { deriveSeed, seededRandom } from "../core/random.ts";
import { several, tokens } from "../core/sizes.ts";
import type { Batch, Segment } from "../data/batch.ts";
import { inMemory } from "../data/example-store.ts";
import { PromptSource } from "../data/prompts.ts";
import type { Model } from "../models/model.ts";
import { fullDivergence, topDivergence } from "../nn/divergence.ts";
import { epochs } from "./epochs.ts";
import { joined, type KdBatch, topColumns, topOperands } from "./kd.ts";
import type { Objective } from "./objective.ts";
import { TrainerOptions } from "./options.ts";
import { lengthMetrics } from "./policy/metrics.ts";
import { inRows, openPolicy, promptsOf, segmentOf } from "./rollouts.ts";
import type { Source, Step } from "./source.ts";
import { supervisedFeeds, supervisedIn, supervisedLoss } from "./supervised.ts";
import { defineTrainer, type Materials } from "./trainer.ts";

/** The names are TRL's. */
export const GkdOptions = TrainerOptions.extend({
  prompts: notContent(PromptSource).describe("What the student answers."),
  prompts_per_step: several.default(32).describe("Prompts that it answers in a step of its own writing."),
  lmbda: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe("The share of steps that it writes itself; the others are on the recipe's dataset."),
  beta: z.number().min(0).max(1).default(0.5).describe("From the forward KL to the teacher, 0, to the reverse KL, 1."),
  temperature: z.number().positive().default(0.9).describe("Of what the student writes. The loss is at temperature 1."),
  max_new_tokens: tokens.default(128).describe("The most tokens of an answer that the student writes."),
  top_logprobs: z
    .int()
    .positive()
    .optional()
    .describe(
      "How many of the teacher's most likely tokens are compared, with one bucket for all others; all of them unless given.",
    ),
});
export type GkdOptions = z.output<typeof GkdOptions>;

export const gkd = defineTrainer({
  options: GkdOptions.describe("What the teacher finds likely at each token that the student itself writes."),
  needs: "prompts",
  teacher: "model",
  top_logprobs: ({ top_logprobs }) => top_logprobs,
  asks: ({ prompts, max_new_tokens }) => ({ prompts, max_completion_length: max_new_tokens }),
  dataset: ({ lmbda }) => lmbda < 1,
  create: (options) => async (materials) => {
    const { teacher } = materials;
    if (!teacher) throw new DistillError("The trainer gkd needs a teacher, and was given none.");
    if ("model" in teacher) {
      const source = await gkdSource(options, materials, (batch) => batch);
      return { objective: fullGkd(teacher.model, options.beta), source };
    }
    const { score, top_logprobs: k } = teacher;
    const source = await gkdSource(options, materials, async (batch, segments) => {
      const likely = await score(segments);
      return likely && { ...batch, likely: joined(likely) };
    });
    return { objective: topGkd(k, options.beta), source };
  },
});

/** The divergence from a teacher whose weights are states beside the student's, over the whole vocabulary. */
export const fullGkd = (teacher: Model, beta: number): Objective<Batch> => ({
  loss(model, shape, options) {
    const beside = teacher.as(model.head.dtype);
    const hidden = { of: (tokens: Parameters<Model["hidden"]>[0]) => beside.hidden(tokens, { inference: true }) };
    return supervisedLoss(model, shape, fullDivergence(beta), [hidden, { shared: beside.head }], options);
  },
  feeds(batches) {
    const total = supervisedIn(batches);
    return batches.map((batch) => supervisedFeeds(batch, 1 / total, {}));
  },
  reads: teacher.parameters.flatMap(({ name }) => teacher.storage(name).names),
});

/** The divergence over the teacher's k most likely tokens and a bucket for all others. */
export const topGkd = (k: number, beta: number): Objective<KdBatch> => ({
  loss: (model, shape, options) => supervisedLoss(model, shape, topDivergence(beta, "bucket"), topOperands(k), options),
  feeds(batches) {
    const total = supervisedIn(batches);
    return batches.map((batch) => supervisedFeeds(batch, 1 / total, topColumns(batch.likely, k)));
  },
});

/** What `scored` makes of a micro-batch and the segments in it, in their order. */
type Scored<Made> = (batch: Batch, segments: readonly Segment[]) => Made | undefined | Promise<Made | undefined>;

async function gkdSource<Made extends Batch>(
  options: GkdOptions,
  materials: Materials,
  scored: Scored<Made>,
): Promise<Source<Made>> {
  const { device, model, segments } = materials;
  const { lmbda, seed, prompts_per_step, temperature } = options;
  const { prompts, rollouts, shape } = await openPolicy(options, materials);
  const stepsPerEpoch = Math.ceil(prompts.length / prompts_per_step);
  const dataset =
    segments && epochs(device, model, segments, options, (batch, rows) => ({ ...batch, examples: rows.flat() }));
  const writes = (step: number) => seededRandom(deriveSeed(seed, "lmbda", step)).uniform() < lmbda;
  const turnOf = (step: number, own: boolean) =>
    Array.from({ length: step }, (_, before) => writes(before)).filter((wrote) => wrote === own).length;

  async function written(step: number): Promise<Step<Made> | undefined> {
    const chosen = promptsOf(prompts, turnOf(step, true), prompts_per_step, seed);
    const settings = { temperature, max_completion_length: options.max_new_tokens, policy: step };
    const found = await rollouts.draw(step + 1, chosen, settings);
    if (!found) return undefined;
    rollouts.keep(found);
    const { rollouts: drawn } = found;
    const own = inMemory(drawn.map(segmentOf));
    const batches: Made[] = [];
    for (const { batch, numbers } of inRows(own, options, shape)) {
      const made = await scored(
        batch,
        numbers.map((i) => own.at(i)),
      );
      if (!made) return undefined;
      batches.push(made);
    }
    return {
      batches,
      tokens: own.lengths.reduce((sum, length) => sum + length, 0),
      supervised: supervisedIn(batches),
      rows: chosen.map(({ number }) => number),
      metrics: { on_policy: 1, ...lengthMetrics(drawn) },
    };
  }

  async function given(step: number): Promise<Step<Made> | undefined> {
    const { batches, ...rest } = (await dataset!.step(turnOf(step, false)))!;
    const made: Made[] = [];
    for (const { examples, ...batch } of batches) {
      const one = await scored(
        batch,
        examples.map((i) => segments!.at(i)),
      );
      if (!one) return undefined;
      made.push(one);
    }
    return { ...rest, batches: made, metrics: { on_policy: 0 } };
  }

  return {
    shape,
    steps: options.max_steps ?? Math.ceil(stepsPerEpoch * options.num_train_epochs),
    unit: "prompts or dataset rows",
    step: (step) => (writes(step) ? written(step) : given(step)),
    sampled: () => rollouts.sampled(),
    close: rollouts.close,
  };
}
