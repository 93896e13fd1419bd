import { z } from "zod";
import { repeatedShare, splitWords } from "./parts.ts";
import { defineReward } from "./reward.ts";

/**
 * (1 − unique n-grams / all n-grams) · max_penalty over lower-cased words; 0 for a completion shorter than n words.
 * Between max_penalty and 0. Source: Yeo et al. 2025 (arXiv 2502.03373), as in open-r1.
 */
export const repetition_penalty = defineReward({
  options: z
    .strictObject({
      ngram_size: z.int().positive().default(3).describe("Words in an n-gram."),
      max_penalty: z.number().max(0).default(-1).describe("Of a completion that is one n-gram again and again."),
    })
    .describe("The share of n-grams that repeat another, times max_penalty."),
  create:
    ({ ngram_size, max_penalty }) =>
    ({ completion }) => {
      const share = repeatedShare(splitWords(completion), ngram_size);
      // − 0 is 0
      return {
        score: share * max_penalty + 0,
        reason: `${(share * 100).toFixed(1)} % of ${ngram_size}-grams repeat another`,
      };
    },
});
