import { z } from "zod";
import { continuable, notContent } from "../../core/component.ts";
import { PromptSource } from "../../data/prompts.ts";
import { TrainerOptions } from "../options.ts";
import { LOSS_TYPES, SCALES } from "./advantages.ts";

/** An option of sampling that has one value only, by which what is drawn is the policy that is trained. */
const only = (value: number) =>
  z
    .number()
    .default(value)
    .refine(
      (given) => given === value,
      `what is drawn with anything but ${value} is not the policy that is trained, and biases its ratio. Leave it out`,
    );

/** The names are TRL's. */
export const GrpoOptions = TrainerOptions.extend({
  /** What the student answers. */
  prompts: notContent(PromptSource),
  prompts_per_step: z.int().positive().default(32),
  /** Completions of each prompt: a group. */
  num_generations: z.int().positive().default(8),
  max_completion_length: z.int().positive().default(256),
  /** Updates that a generation is split into, and how often each part is used. */
  steps_per_generation: z.int().positive().default(1),
  num_iterations: z.int().positive().default(1),
  temperature: only(1),
  top_p: only(1),
  top_k: only(0),
  min_p: only(0),
  /** The weight of the divergence from the student as it was at the start, or from the recipe's reference. */
  beta: z.number().nonnegative().default(0),
  use_bias_correction_kl: z.boolean().default(true),
  epsilon: z.number().positive().default(0.2),
  /** epsilon unless given. */
  epsilon_high: z.number().positive().optional(),
  loss_type: z.enum(LOSS_TYPES).default("dapo"),
  /** Whether ratios are of tokens, or of whole completions (GSPO). */
  importance_sampling_level: z.enum(["token", "sequence"]).default("token"),
  scale_rewards: z.enum(SCALES).default("group"),
  /** Leave completions out of the loss that were cut at their limit. */
  mask_truncated_completions: z.boolean().default(false),
  /** What a reward is compared with: the mean of its group, a moving mean of all before, or what a value head expects (PPO). */
  baseline: z.enum(["group", "moving", "value"]).default("group"),
  /** Of the value head: the discounts of generalised advantages, and the weight and the clip of its loss. */
  gamma: z.number().min(0).max(1).default(1),
  lam: z.number().min(0).max(1).default(0.95),
  vf_coef: z.number().nonnegative().default(0.1),
  cliprange_value: z.number().positive().default(0.2),
  /** Generations at the start without any group whose rewards differ, after which the run stops. */
  patience: z.int().positive().default(10),
  /** The share of its best reward, above the lowest there was, that ten generations may lose before the run stops; 1 for never. */
  collapse: z.number().min(0).max(1).default(0.5),
  /** Problems that the student is measured on every eval_steps steps: the best of its weights are kept and become the student. */
  eval_prompts: notContent(PromptSource).optional(),
  eval_steps: continuable(z.int().positive().default(20)),
  eval_num_generations: z.int().positive().default(2),
  eval_temperature: z.number().nonnegative().default(0.6),
  load_best_model_at_end: continuable(z.boolean().default(true)),
});
export type GrpoOptions = z.output<typeof GrpoOptions>;
