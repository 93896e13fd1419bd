/** @file Whether a completion chooses the letter that is right. */

import { z } from "zod";
import { chosenIn, findChoice, lettersOnly } from "./math/extraction/choice.ts";
import { extractLenient, extractStrict, readable } from "./math/extraction/extract.ts";
import { defineReward } from "./reward.ts";

/** `answer` is a letter. A completion that gives none is wrong, and has no answer that could be counted. */
export const multiple_choice = defineReward({
  options: z
    .strictObject({
      profile: z
        .enum(["strict", "lenient"])
        .default("lenient")
        .describe("`strict` demands a \\boxed{} or an <answer>; `lenient` also reads the letter in plain text."),
    })
    .describe("1 where the completion chooses the letter of the reference, of A to J."),
  needsAnswer: true,
  version: "2",
  create({ profile }) {
    return ({ completion, answer, finish_reason }) => {
      const right = answer === undefined ? undefined : lettersOnly(answer);
      if (right === undefined)
        return { score: null, verdict: "unknown", extracted: null, reason: "the reference is no letter from A to J" };
      const chosen = profile === "strict" ? boxed(completion) : anywhere(completion);
      if (chosen === undefined)
        return finish_reason === "length"
          ? { score: 0, verdict: "truncated", extracted: null, reason: "the completion was cut before it chose" }
          : { score: 0, verdict: "incorrect", extracted: null, reason: "the completion chooses no letter" };
      const correct = chosen === right;
      return {
        score: Number(correct),
        verdict: correct ? "correct" : "incorrect",
        extracted: chosen,
        reason: `the completion chooses ${chosen}`,
      };
    };
  },
});

function boxed(completion: string): string | undefined {
  const found = extractStrict(completion);
  return found && chosenIn(found.span);
}

function anywhere(completion: string): string | undefined {
  const text = readable(completion);
  const tagged = text.includes("</answer>") ? extractLenient(completion) : undefined;
  return (tagged && chosenIn(tagged.span)) ?? findChoice(text);
}
