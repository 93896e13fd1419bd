import { z } from "zod";
import { continuable, notContent } from "../../core/component.ts";
import { several, tokens } from "../../core/sizes.ts";
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
  prompts: notContent(PromptSource).describe("What the student answers."),
  prompts_per_step: several.default(32).describe("Prompts of one generation."),
  num_generations: several.default(8).describe("Completions of each prompt: a group."),
  max_completion_length: tokens.default(256).describe("The most tokens of an answer."),
  steps_per_generation: several.default(1).describe("Updates that a generation is split into."),
  num_iterations: several.default(1).describe("How often each part of a generation is used."),
  temperature: only(1).describe("At which answers are drawn; nothing else than 1."),
  top_p: only(1).describe("The share of the probability that is drawn from; nothing else than 1."),
  top_k: only(0).describe("The most likely tokens that are drawn from; nothing else than 0, all of them."),
  min_p: only(0).describe("The least probability that is drawn from; nothing else than 0."),
  beta: z
    .number()
    .nonnegative()
    .default(0)
    .describe("The weight of the divergence from the student as it was at the start, or from the recipe's reference."),
  use_bias_correction_kl: z
    .boolean()
    .default(true)
    .describe("Weigh the divergence by the ratio of the policies, which makes its gradient unbiased."),
  epsilon: z.number().positive().default(0.2).describe("How far a ratio may be from 1 before it is clipped."),
  epsilon_high: z.number().positive().optional().describe("How far a ratio may be above 1; epsilon unless given."),
  loss_type: z.enum(LOSS_TYPES).default("dapo").describe("What each token counts in the loss."),
  importance_sampling_level: z
    .enum(["token", "sequence"])
    .default("token")
    .describe("Whether ratios are of tokens, or of whole completions (GSPO)."),
  scale_rewards: z
    .enum(SCALES)
    .default("group")
    .describe("By whose deviation advantages are divided: the group's, the batch's, or none."),
  mask_truncated_completions: z
    .boolean()
    .default(false)
    .describe("Leave completions out of the loss that were cut at their limit."),
  baseline: z
    .enum(["group", "moving", "value"])
    .default("group")
    .describe(
      "What a reward is compared with: the mean of its group, a moving mean of all before, or what a value head expects (PPO).",
    ),
  gamma: z.number().min(0).max(1).default(1).describe("Of the value head: the discount of what comes later."),
  lam: z.number().min(0).max(1).default(0.95).describe("Of the value head: λ of generalised advantages."),
  vf_coef: z.number().nonnegative().default(0.1).describe("Of the value head: the weight of its loss."),
  cliprange_value: z
    .number()
    .positive()
    .default(0.2)
    .describe("Of the value head: how far a value may move before its loss is clipped."),
  patience: z
    .int()
    .positive()
    .default(10)
    .describe("Generations at the start without any group whose rewards differ, after which the run stops."),
  collapse: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe(
      "The share of its best reward, above the lowest there was, that ten generations may lose before the run stops; 1 for never.",
    ),
  eval_prompts: notContent(PromptSource)
    .optional()
    .describe("Problems that the student is measured on every eval_steps steps."),
  eval_steps: continuable(z.int().positive().default(20)).describe("Steps between two measurements on eval_prompts."),
  eval_num_generations: several.default(2).describe("Answers to each of eval_prompts."),
  eval_temperature: z
    .number()
    .nonnegative()
    .default(0.6)
    .describe("The temperature at which eval_prompts are answered."),
  load_best_model_at_end: continuable(z.boolean().default(true)).describe(
    "Whether the best of the weights that were measured become the student.",
  ),
});
export type GrpoOptions = z.output<typeof GrpoOptions>;
