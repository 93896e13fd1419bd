/** @file Reinforcement with rules as rewards (GRPO, arXiv:2402.03300; DeepSeek-R1, arXiv:2501.12948). The names are TRL's. */

import { z } from "zod";
import { notContent } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { deriveSeed, seededRandom } from "../core/random.ts";
import type { Batch } from "../data/batch.ts";
import { inMemory } from "../data/example-store.ts";
import { PromptSource } from "../data/prompts.ts";
import type { Rollout } from "../data/rollouts.ts";
import type { Model } from "../models/model.ts";
import { policyGradient } from "../nn/policy.ts";
import { groupAdvantages, LOSS_TYPES, movingAdvantages, SCALES, tokenShares } from "./advantages.ts";
import type { Objective } from "./objective.ts";
import { TrainerOptions } from "./options.ts";
import { lengthMetrics, rewardMetrics } from "./rollout-metrics.ts";
import { inRows, openPolicy, promptsOf, segmentOf } from "./rollouts.ts";
import type { Source, Step } from "./source.ts";
import {
  type Column,
  LABELS,
  labelsOf,
  type Operand,
  supervisedFeeds,
  supervisedIn,
  supervisedLoss,
} from "./supervised.ts";
import { defineTrainer, type Materials } from "./trainer.ts";

export const GrpoOptions = TrainerOptions.extend({
  /** What the student answers. */
  prompts: notContent(PromptSource),
  prompts_per_step: z.int().positive().default(32),
  /** Completions of each prompt: a group. */
  num_generations: z.int().min(2).default(8),
  max_completion_length: z.int().positive().default(256),
  /** Updates that a generation is split into, and how often each part is used. */
  steps_per_generation: z.int().positive().default(1),
  num_iterations: z.int().positive().default(1),
  temperature: z
    .number()
    .default(1)
    .refine(
      (temperature) => temperature === 1,
      "what is drawn at another temperature than 1 is not the policy that is trained, and biases its ratio. Leave it out",
    ),
  /** The weight of the divergence from the student as it was at the start. */
  beta: z.number().nonnegative().default(0),
  use_bias_correction_kl: z.boolean().default(true),
  epsilon: z.number().positive().default(0.2),
  /** epsilon unless given. */
  epsilon_high: z.number().positive().optional(),
  loss_type: z.enum(LOSS_TYPES).default("dapo"),
  scale_rewards: z.enum(SCALES).default("group"),
  /** Leave completions out of the loss that were cut at their limit. */
  mask_truncated_completions: z.boolean().default(false),
  /** What a reward is compared with: the mean of its group, or a moving mean of all that came before. */
  baseline: z.enum(["group", "moving"]).default("group"),
  /** Generations at the start without any group whose rewards differ, after which the run stops. */
  patience: z.int().positive().default(10),
});
export type GrpoOptions = z.output<typeof GrpoOptions>;

/** Beside a batch, of each supervised position the advantage of its completion, and its own share in the loss. */
export type GrpoBatch = Batch & { advantages: Float32Array; old: Float32Array; shares: Float32Array };

export const grpo = defineTrainer({
  options: GrpoOptions,
  needs: "prompts",
  judges: true,
  asks: ({ prompts, max_completion_length }) => ({ prompts, max_completion_length }),
  create: (options) => async (materials) => {
    const reference = options.beta > 0 ? await materials.reference?.() : undefined;
    return { objective: grpoObjective(options, reference), source: await grpoSource(options, materials) };
  },
});

export function grpoObjective(options: GrpoOptions, reference: Model | undefined): Objective<GrpoBatch> {
  const { epsilon, epsilon_high = epsilon, beta, use_bias_correction_kl } = options;
  if (beta > 0 && !reference)
    throw new DistillError("trainer.beta is not 0, and there is no reference to compare with.");
  const rule = policyGradient({ epsilon, epsilon_high, beta, use_bias_correction_kl });
  const column = (name: string): Operand => ({ column: name, dtype: "float32", width: 1 });
  return {
    loss(model, shape, settings) {
      const beside = beta > 0 ? reference!.as(model.head.dtype) : undefined;
      const compared: Operand[] = beside
        ? [{ of: (tokens) => beside.hidden(tokens, { inference: true }) }, { shared: beside.head }]
        : [];
      const operands = [LABELS, column("advantages"), column("old_logprobs"), column("shares"), ...compared];
      return supervisedLoss(model, shape, rule, operands, settings);
    },
    feeds(batches) {
      const total = supervisedIn(batches);
      return batches.map((batch) => {
        const own = (values: Float32Array, factor = 1): Column => ({
          dtype: "float32",
          width: 1,
          at: (position) => [factor * values[position]!],
          padding: [0],
        });
        return supervisedFeeds(batch, 1 / total, {
          labels: labelsOf(batch),
          advantages: own(batch.advantages),
          old_logprobs: own(batch.old),
          shares: own(batch.shares, total), // so that metrics are means over tokens whatever the loss is
        });
      });
    },
    ...(reference ? { reads: reference.parameters.flatMap(({ name }) => reference.storage(name).names) } : {}),
  };
}

/** What is trained on of one generation: parts of its completions, each with its advantage. */
type Generation = { number: number; drawn: Rollout[]; advantages: number[]; parts: number[][]; seconds: number };

/** The share of the earlier mean that a moving baseline keeps. */
const DECAY = 0.9;
/** More than this, on average, between the sampler's log-probabilities and the trainer's is a fault. */
const MISMATCH = 1e-3;

async function grpoSource(options: GrpoOptions, materials: Materials): Promise<Source<GrpoBatch>> {
  const { seed, prompts_per_step, num_generations, max_completion_length, steps_per_generation } = options;
  const { prompts, rollouts, shape } = await openPolicy(options, materials);
  const updates = steps_per_generation * options.num_iterations;
  const generations = Math.ceil((prompts.length * options.num_train_epochs) / prompts_per_step);
  let current: Generation | undefined;
  let moving = { generation: 0, baseline: 0, next: 0 };
  let dead = 0;

  async function generation(number: number): Promise<Generation | undefined> {
    if (current?.number === number) return current;
    const start = performance.now();
    const chosen = promptsOf(prompts, number, prompts_per_step, seed);
    const settings = { temperature: 1, max_completion_length, num_generations };
    const drawn = await rollouts.draw(number + 1, chosen, settings);
    if (!drawn) return undefined;
    const groups = chosen.map((_, i) => drawn.slice(i * num_generations, (i + 1) * num_generations));
    const rewards = groups.map((group) => group.map(({ judgement }) => judgement!.reward));
    if (moving.generation !== number) moving = { generation: number, baseline: moving.next, next: moving.next };
    const known = rewards.flat().filter((reward) => reward !== null);
    const mean = known.reduce((a, b) => a + b, 0) / (known.length || 1);
    moving.next = number === 0 ? mean : DECAY * moving.baseline + (1 - DECAY) * mean;
    const baseline = number === 0 ? mean : moving.baseline;
    const advantages =
      options.baseline === "group"
        ? groupAdvantages(rewards, options.scale_rewards)
        : movingAdvantages(rewards, baseline, options.scale_rewards);
    const flat = advantages.flat();
    requireSignal(number, drawn, flat);
    const order = seededRandom(deriveSeed(seed, "parts", number)).shuffled(drawn.map((_, i) => i));
    const size = Math.ceil(order.length / steps_per_generation);
    const parts = Array.from({ length: steps_per_generation }, (_, i) => order.slice(i * size, (i + 1) * size));
    current = { number, drawn, advantages: flat, parts, seconds: (performance.now() - start) / 1000 };
    return current;
  }

  /** Throw where nothing is to be learned from the start. */
  function requireSignal(number: number, drawn: readonly Rollout[], advantages: readonly number[]): void {
    dead = advantages.some((advantage) => Math.abs(advantage) > 1e-6) ? Number.NEGATIVE_INFINITY : dead + 1;
    if (dead < options.patience) return;
    const { reward, reason } = drawn[0]!.judgement!;
    const length = drawn.reduce((sum, { token_ids }) => sum + token_ids.length, 0) / drawn.length;
    throw new DistillError(
      `In the first ${number + 1} generations all completions of each prompt had the same reward (the last ones ${reward}, with ${length.toFixed(1)} tokens on average; "${reason}"), so there is nothing to reinforce. It helps to begin with a student that is right now and then, such as one that was trained on some worked examples, to ask easier prompts, or to draw more completions of each (trainer.num_generations).`,
    );
  }

  function stepOf(
    { drawn, advantages, parts, seconds }: Generation,
    part: readonly number[],
    first: boolean,
  ): Step<GrpoBatch> {
    const counts = (i: number) => !(options.mask_truncated_completions && drawn[i]!.finish_reason === "length");
    const lengths = part.map((i) => (counts(i) ? drawn[i]!.token_ids.length : 0));
    const all = parts.flat().filter(counts);
    const sampled = all.reduce((sum, i) => sum + drawn[i]!.token_ids.length, 0) / parts.length;
    const shares = tokenShares(lengths, options.loss_type, max_completion_length, sampled);
    const live = part.flatMap((i, k) =>
      shares[k]! > 0 && (options.beta > 0 || advantages[i] !== 0) ? [{ i, share: shares[k]! }] : [],
    );
    const segments = inMemory(live.map(({ i }) => segmentOf(drawn[i]!)));
    const batches = inRows(segments, options, shape).map(({ batch, numbers }): GrpoBatch => {
      const each = (of: (one: (typeof live)[number], token: number) => number) =>
        Float32Array.from(numbers.flatMap((n) => drawn[live[n]!.i]!.token_ids.map((_, token) => of(live[n]!, token))));
      return {
        ...batch,
        advantages: each(({ i }) => advantages[i]!),
        old: each(({ i }, token) => drawn[i]!.logprobs[token]!),
        shares: each(({ share }) => share),
      };
    });
    return {
      batches,
      tokens: segments.lengths.reduce((sum, length) => sum + length, 0),
      supervised: supervisedIn(batches),
      rows: part.map((i) => i + 1),
      metrics: first
        ? { ...rewardMetrics(drawn, num_generations), ...lengthMetrics(drawn), "seconds/generation": seconds }
        : {},
    };
  }

  return {
    shape,
    steps: options.max_steps ?? generations * updates,
    unit: "completions",
    async step(step) {
      const made = await generation(Math.floor(step / updates));
      if (!made) return undefined;
      const update = step % updates;
      return stepOf(made, made.parts[update % steps_per_generation]!, update === 0);
    },
    observe(step, { logprob_mismatch = 0 }) {
      if (step % updates !== 0 || logprob_mismatch <= MISMATCH) return;
      throw new DistillError(
        `The sampler's log-probabilities differ from the trainer's by ${logprob_mismatch.toExponential(1)} on average, and by at most ${MISMATCH} they should. Set trainer.precision to fp32.`,
      );
    },
    describe: ({ reward, "completions/mean_length": length }) =>
      reward === undefined ? "" : `reward ${reward.toFixed(3)} · length ${length!.toFixed(0)}`,
    state: {
      save: () => moving,
      restore(state) {
        moving = z.object({ generation: z.int(), baseline: z.number(), next: z.number() }).parse(state);
      },
    },
    sampled: rollouts.sampled,
    close: rollouts.close,
  };
}
