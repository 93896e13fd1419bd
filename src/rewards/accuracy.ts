/** @file Whether a completion's answer equals the reference, as mathematics. */

import { z } from "zod";
import { FORMS } from "./math/form.ts";
import { GRADER_VERSION, gradeMath } from "./math/index.ts";
import { defineReward } from "./reward.ts";

const options = z.strictObject({
  profile: z
    .enum(["strict", "lenient"])
    .default("strict")
    .describe('`strict` demands a \\boxed{} or an <answer>; `lenient` also reads "the answer is …" and plain text.'),
  answer: z
    .enum(FORMS)
    .optional()
    .describe(
      "In which form the answer has to be given: one `number`, any `expression`, or `any`, which is also where it is left out.",
    ),
  relative_tolerance: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("Numbers within this share of the reference are right too, such as 0.01; left out, only equal ones are."),
  precision: z
    .enum(["exact", "reference"])
    .optional()
    .describe("`reference` also accepts a number that rounds to the reference, to as many decimals as that has."),
  percent_sign: z
    .enum(["required", "optional"])
    .optional()
    .describe("`optional` also accepts 28 for 28 % and 28 % for 28."),
  separator: z
    .string()
    .min(1)
    .optional()
    .describe("What parts several references in the answer, such as `||`; any of them is right."),
});

const SCORES = { correct: 1, incorrect: 0, truncated: 0, unknown: null, infra_error: null };

export const accuracy = defineReward({
  options: options.describe(
    "1 where the answer equals the reference as mathematics, 0 where it doesn't, null where the reference is missing or cannot be read.",
  ),
  needsAnswer: true,
  version: GRADER_VERSION,
  same: (a, b) => a === b || gradeMath({ completion: b, answer: a, profile: "lenient" }).verdict === "correct",
  create({ profile, answer: form = "any", separator, ...leniency }) {
    return ({ completion, answer, finish_reason }) => {
      if (answer === undefined)
        return { score: null, verdict: "unknown", extracted: null, reason: "there is no reference" };
      const references = separator ? answer.split(separator) : answer;
      const { verdict, extracted, reason } = gradeMath({
        completion,
        answer: references,
        profile,
        form,
        ...leniency,
      });
      if (verdict === "incorrect" && extracted === null && finish_reason === "length")
        return {
          score: 0,
          verdict: "truncated",
          extracted,
          reason: "the completion was cut before it answered",
        };
      return { score: SCORES[verdict], verdict, extracted, reason };
    };
  },
});
