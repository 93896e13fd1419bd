import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { defineReward } from "./reward.ts";

/**
 * 0 up to max_completion_length − cache tokens, then (max_completion_length − cache − tokens) / cache, −1 beyond
 * max_completion_length. Needs num_tokens. Source: DAPO (arXiv 2503.14476) eq. 13.
 */
export const soft_overlong = defineReward({
  options: z
    .strictObject({
      max_completion_length: z.int().positive().default(16_384).describe("Tokens beyond which the score is -1."),
      cache: z.int().positive().default(4096).describe("Tokens before the limit over which the penalty grows."),
    })
    .describe("0 for completions well below a length, falling to -1 at it."),
  create({ max_completion_length, cache }) {
    if (cache > max_completion_length)
      throw new DistillError(
        `soft_overlong: cache is ${cache}, expected at most max_completion_length, which is ${max_completion_length}.`,
      );
    const free = max_completion_length - cache;
    return ({ num_tokens }) => {
      if (num_tokens === undefined) return { score: null, reason: "the number of tokens is unknown" };
      const score = num_tokens <= free ? 0 : Math.max(-1, (free - num_tokens) / cache);
      return { score, reason: `${num_tokens} tokens, free up to ${free}` };
    };
  },
});
