import { z } from "zod";
import { isCorrect } from "./correctness.ts";
import { defineReward } from "./reward.ts";

/**
 * With p = min(tokens / max_len, 1): min + ½ (max − min)(1 + cos πp). Correct: from max_value_correct when short to
 * min_value_correct when long. Wrong: from min_value_wrong when short to max_value_wrong when long, so that a wrong
 * answer is better thought about for longer. Beyond max_len it stays where it is. Needs a verdict and num_tokens.
 * Source: Yeo et al. 2025 (arXiv 2502.03373) eq. 1, as in open-r1 and TRL.
 */
export const cosine_length = defineReward({
  options: z
    .strictObject({
      max_len: z.int().positive().default(16_384).describe("Tokens from which on a completion is long."),
      min_value_correct: z.number().default(0.5).describe("Of a long correct completion."),
      max_value_correct: z.number().default(1).describe("Of a short correct completion."),
      min_value_wrong: z.number().default(-1).describe("Of a short wrong completion."),
      max_value_wrong: z.number().default(-0.5).describe("Of a long wrong completion."),
    })
    .describe("For correct answers the more, the shorter they are; for wrong ones the more, the longer they are."),
  create: (options) => (sample) => {
    const correct = isCorrect(sample);
    if (correct === undefined) return { score: null, reason: "no verdict" };
    if (sample.num_tokens === undefined) return { score: null, reason: "the number of tokens is unknown" };
    const { max_len, min_value_correct, max_value_correct, min_value_wrong, max_value_wrong } = options;
    const [short, long] = correct ? [max_value_correct, min_value_correct] : [min_value_wrong, max_value_wrong];
    const progress = Math.min(sample.num_tokens / max_len, 1);
    return {
      score: long + 0.5 * (short - long) * (1 + Math.cos(Math.PI * progress)),
      reason: `${correct ? "correct" : "wrong"} in ${sample.num_tokens} of ${max_len} tokens`,
    };
  },
});
