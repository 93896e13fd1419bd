import { z } from "zod";
import { isCorrect } from "./correctness.ts";
import { defineReward } from "./reward.ts";

/**
 * Over the samples of one prompt, λ = ½ − (tokens − min) / (max − min): λ where correct, min(0, λ) where wrong, 0 where
 * all are equally long. Needs the group, verdicts and num_tokens. Source: Kimi k1.5 (arXiv 2501.12599) 2.3.3.
 */
export const length = defineReward({
  options: z.strictObject({}).describe("Of the samples of one prompt, the shorter of the correct ones are worth more."),
  ofGroup: true,
  create: () => (sample, group) => {
    const correct = isCorrect(sample);
    if (correct === undefined) return { score: null, reason: "no verdict" };
    if (sample.num_tokens === undefined) return { score: null, reason: "the number of tokens is unknown" };
    if (!group) return { score: null, reason: "the other samples of the prompt are unknown" };
    const lengths = [sample, ...group].flatMap(({ num_tokens }) => (num_tokens === undefined ? [] : [num_tokens]));
    const [shortest, longest] = [Math.min(...lengths), Math.max(...lengths)];
    const reason = `${correct ? "correct" : "wrong"} in ${sample.num_tokens} tokens of ${shortest} to ${longest}`;
    if (shortest === longest) return { score: 0, reason };
    const lambda = 0.5 - (sample.num_tokens - shortest) / (longest - shortest);
    return { score: correct ? lambda : Math.min(0, lambda), reason };
  },
});
