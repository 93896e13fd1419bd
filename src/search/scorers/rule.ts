import { z } from "zod";
import { createRewards, needsAnswer, type RewardSpec, RewardSpecs } from "../../rewards/create.ts";
import { judge } from "../../rewards/judge.ts";
import { defineScorer } from "./scorer.ts";

/** The weighted sum of rules. One that compares with the reference says what could be reached, not what is. */
export const rule = defineScorer({
  options: z
    .object({ rewards: RewardSpecs.describe("Rules, whose weighted sum it is.") })
    .describe("What rules say. A rule that compares with the reference shows what a perfect scorer would reach."),
  async create({ rewards }) {
    const made = await createRewards(rewards as RewardSpec[]);
    const knowing = (rewards as RewardSpec[]).some(needsAnswer);
    return {
      label: `${made.map(({ name }) => name).join(" + ")}${knowing ? " (knows the answer)" : ""}`,
      score: (candidates) =>
        Promise.all(
          candidates.map(async ({ problem, completion, finish_reason, tokens }) => {
            const { prompt, answer } = problem;
            const sample = {
              prompt,
              completion,
              finish_reason,
              num_tokens: tokens,
              ...(answer === undefined ? {} : { answer }),
            };
            return { score: (await judge(made, sample)).reward, tokens: 0 };
          }),
        ),
    };
  },
});
