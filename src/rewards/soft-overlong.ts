import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { defineReward } from "./reward.ts";

/**
 * 0 up to max_completion_length − cache tokens, then (max_completion_length − cache − tokens) / cache, −1 beyond
 * max_completion_length. Needs num_tokens. Source: DAPO (arXiv 2503.14476) eq. 13.
 */
export const soft_overlong = defineReward({
  options: z.strictObject({
    max_completion_length: z.int().positive().default(16_384),
    /** Tokens before the limit over which the penalty grows. */
    cache: z.int().positive().default(4096),
  }),
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
