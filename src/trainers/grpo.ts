/** @file Reinforcement with rules as rewards (GRPO, arXiv:2402.03300; DeepSeek-R1, arXiv:2501.12948), or with a value head (PPO). */

import { DistillError } from "../core/errors.ts";
import { policyObjective } from "./policy/objective.ts";
import { GrpoOptions } from "./policy/options.ts";
import { policySource } from "./policy/source.ts";
import { defineTrainer } from "./trainer.ts";

export const grpo = defineTrainer({
  options: GrpoOptions.describe("What the student's own answers are worth by the rewards."),
  needs: "prompts",
  judges: true,
  samplers: true,
  asks: ({ prompts, max_completion_length, eval_prompts }) => ({
    prompts,
    max_completion_length,
    ...(eval_prompts ? { evaluates: eval_prompts } : {}),
  }),
  keepsNear: ({ beta }) => beta > 0,
  conflict: ({ baseline, num_generations, prompts_per_step, steps_per_generation }) => {
    if (baseline === "group" && num_generations < 2)
      return {
        key: "num_generations",
        message: "a group has at least 2 completions, unless another baseline is given",
      };
    if (steps_per_generation > prompts_per_step * num_generations)
      return { key: "steps_per_generation", message: "a generation has fewer completions than it is to be split into" };
    return undefined;
  },
  create: (options) => async (materials) => {
    const reference = options.beta > 0 ? await materials.reference?.() : undefined;
    if (options.beta > 0 && !reference)
      throw new DistillError("trainer.beta is not 0, and there is no reference to compare with.");
    return {
      objective: policyObjective(options, materials.model),
      source: await policySource(options, materials, reference),
    };
  },
});
