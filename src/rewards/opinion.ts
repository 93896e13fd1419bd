/** @file A second opinion: what a model says of a completion that a rule did not find correct. */

import type { Verdict } from "../core/trace.ts";
import { answerPart } from "./parts.ts";
import type { Sample, Score } from "./reward.ts";

export type Opinion = {
  /** `unknown`: its answer cannot be read; `infra_error`: it gave none. */
  verdict: Exclude<Verdict, "truncated">;
  /** What it said in the end, or why there is nothing. */
  reason: string;
  /** The model. */
  model: string;
};

export type JudgeModel = {
  /** It is asked where the rule says one of these. */
  when: readonly Verdict[];
  /** How many questions are worth having open at once. */
  width: number;
  /** Throws only where no question will be answered. */
  ask(sample: Sample): Promise<Opinion>;
};

/** What a rule says of a completion, and the model after it where that was asked. */
export type Given = Score & { opinion?: Opinion };

/** Whether there is something to ask: an answer behind the reasoning, a reference, and a rule that says no. */
export const isAsked = (judge: JudgeModel, { completion, answer }: Sample, { verdict }: Score): boolean =>
  verdict !== undefined && judge.when.includes(verdict) && answer !== undefined && answerPart(completion).trim() !== "";

/**
 * The score and the verdict that count. The model goes before the rule where it said yes or no; where it failed there is no
 * score, since what the rule says alone is not what was asked for.
 */
export function counted({ score, verdict, opinion }: Given): Pick<Score, "score" | "verdict"> {
  if (opinion?.verdict === "correct") return { score: 1, verdict: "correct" };
  if (opinion?.verdict === "incorrect") return { score: score ?? 0, verdict: "incorrect" };
  return { score: opinion?.verdict === "infra_error" ? null : score, ...(verdict === undefined ? {} : { verdict }) };
}

/** The model's opinion as a score. */
export const scoreOf = (opinion: Opinion | undefined): number | null =>
  opinion?.verdict === "correct" ? 1 : opinion?.verdict === "incorrect" ? 0 : null;
