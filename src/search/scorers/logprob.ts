import { z } from "zod";
import { defineScorer } from "./scorer.ts";

/** How likely the model itself finds what it wrote: the mean or the sum of the log-probabilities of its tokens, at temperature 1. */
export const logprob = defineScorer({
  options: z
    .object({
      of: z.enum(["mean", "sum"]).default("mean").describe("Of the log-probabilities of its tokens."),
    })
    .describe("How likely the model itself finds what it wrote."),
  top_logprobs: 20,
  create: async ({ of }) => ({
    label: `log-probability${of === "sum" ? ", sum" : ""}`,
    score: async (candidates) =>
      candidates.map(({ logprob, counted }) => ({
        score: of === "sum" ? logprob : logprob / Math.max(1, counted),
        tokens: 0,
      })),
  }),
});
