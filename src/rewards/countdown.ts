import { z } from "zod";
import { gradeMath } from "./math/index.ts";
import { answerPart } from "./parts.ts";
import { defineReward } from "./reward.ts";

/** The target, and behind it the numbers that it is to be made of: "65: 19 36 55 7". */
const REFERENCE = /^\s*(-?\d+)\s*:\s*(\d+(?:\s+\d+)*)\s*$/;

/** Numbers, + - * / and brackets, and nothing that could be another operation. */
const EXPRESSION = /^[\d\s+\-*/()×÷·−]{1,200}$/;

/**
 * 1 where the answer is an expression of the given numbers, each used once, that equals the target; `format_score` where it is
 * an expression, and is not that; else 0. An equation counts by its left side. Source: TinyZero, whose format score is 0.1.
 */
export const countdown = defineReward({
  options: z
    .strictObject({
      format_score: z.number().min(0).max(1).default(0.1).describe("Of an expression that does not equal it."),
    })
    .describe("1 where the answer is an expression of the given numbers, each used once, that equals the target."),
  needsAnswer: true,
  create:
    ({ format_score }) =>
    ({ completion, answer, finish_reason }) => {
      if (answer === undefined)
        return { score: null, verdict: "unknown", extracted: null, reason: "there is no reference" };
      const reference = REFERENCE.exec(answer);
      if (!reference)
        return { score: null, verdict: "unknown", extracted: null, reason: 'the reference is no "target: numbers"' };
      const [, target, numbers] = reference as unknown as [string, string, string];
      const blocks = [...answerPart(completion).matchAll(/<answer>([\s\S]*?)<\/answer>/g)];
      const extracted = blocks.length === 1 ? blocks[0]![1]!.split("=")[0]!.trim() : null;
      if (extracted === null && finish_reason === "length")
        return { score: 0, verdict: "truncated", extracted, reason: "the completion was cut before it answered" };
      if (extracted === null || !EXPRESSION.test(extracted) || !/\d/.test(extracted))
        return { score: 0, verdict: "incorrect", extracted, reason: "there is no one answer that is an expression" };
      const wrong = (reason: string) => ({ score: format_score, verdict: "incorrect" as const, extracted, reason });
      const sorted = (text: string) =>
        (text.match(/\d+/g) ?? [])
          .map(Number)
          .sort((a, b) => a - b)
          .join(" ");
      if (sorted(extracted) !== sorted(numbers))
        return wrong(`it uses ${sorted(extracted)}, and not ${sorted(numbers)}`);
      const { verdict } = gradeMath({ completion: `<answer>${extracted}</answer>`, answer: target, profile: "strict" });
      if (verdict !== "correct") return wrong(`it does not equal ${target}`);
      return { score: 1, verdict, extracted, reason: `it equals ${target}` };
    },
});
