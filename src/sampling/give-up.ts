/** @file When a prompt is not worth another sample: where its pass rate is, all but certainly, too low. */

import { z } from "zod";

export const GiveUp = z.strictObject({
  after: z.int().positive().describe("Samples that are drawn in any case."),
  below: z
    .number()
    .gt(0)
    .lt(1)
    .describe("A pass rate; the prompt is given up where it lies, with 95 % confidence, below that."),
});
export type GiveUp = z.output<typeof GiveUp>;

export const isHopeless = (rule: GiveUp | undefined, accepted: number, drawn: number): boolean =>
  rule !== undefined && drawn >= rule.after && upperBound(accepted, drawn) < rule.below;

const CONFIDENCE = 0.95;

/** The highest pass rate that `accepted` of `drawn` do not speak against (Clopper and Pearson, 1934; one-sided). */
export function upperBound(accepted: number, drawn: number): number {
  if (accepted >= drawn) return 1;
  let [low, high] = [0, 1];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (atMost(accepted, drawn, middle) > 1 - CONFIDENCE) low = middle;
    else high = middle;
  }
  return high;
}

/** The probability of at most k successes in n trials of probability p. */
function atMost(k: number, n: number, p: number): number {
  let term = (1 - p) ** n;
  let sum = term;
  for (let i = 1; i <= k; i++) {
    term *= ((n - i + 1) / i) * (p / (1 - p));
    sum += term;
  }
  return sum;
}
