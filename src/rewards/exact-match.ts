import { z } from "zod";
import { answerPart } from "./parts.ts";
import { defineReward } from "./reward.ts";

/** One space for each run of white space, none at the ends. */
const squeezed = (text: string) => text.trim().replaceAll(/\s+/g, " ");

/**
 * 1 where what stands after the reasoning, or in its answer block, is the reference and nothing else, white space aside: for tasks
 * whose answer is a text. Source: the exact match of SQuAD (arXiv:1606.05250), without its normalisation of words.
 */
export const exact_match = defineReward({
  options: z
    .strictObject({ ignore_case: z.boolean().default(false).describe("Whether capital letters count as small ones.") })
    .describe("1 where the answer is the reference and nothing else, white space aside."),
  needsAnswer: true,
  create:
    ({ ignore_case }) =>
    ({ completion, answer, finish_reason }) => {
      if (answer === undefined)
        return { score: null, verdict: "unknown", extracted: null, reason: "there is no reference" };
      const part = answerPart(completion);
      const extracted = squeezed(/^\s*<answer>([\s\S]*)<\/answer>\s*$/.exec(part)?.[1] ?? part);
      const same = ignore_case
        ? extracted.toLowerCase() === squeezed(answer).toLowerCase()
        : extracted === squeezed(answer);
      if (!same && finish_reason === "length")
        return { score: 0, verdict: "truncated", extracted, reason: "the completion was cut before it answered" };
      return {
        score: Number(same),
        verdict: same ? "correct" : "incorrect",
        extracted,
        reason: same ? "it is the reference" : "it is another text than the reference",
      };
    },
});
