/** @file Several rewards as one judgement of a completion. */

import type { Verdict } from "../core/trace.ts";
import type { Reward, Sample } from "./reward.ts";

/** A reward with its place in the sum. */
export type WeightedReward = {
  /** The column of its scores. */
  name: string;
  reward: Reward;
  weight: number;
  /** A completion with a lower score, or none, is not accepted. */
  at_least?: number | undefined;
};

export type Judgement = {
  /** The score of each reward; null where it cannot say. */
  rewards: Record<string, number | null>;
  /** Σ weight · score over the scores that are known; null where none is. */
  reward: number | null;
  /** Of the first reward that judges correctness. */
  verdict: Verdict;
  extracted: string | null;
  /** Why it was not accepted, or what made it correct. */
  reason: string;
  accepted: boolean;
};

/** A completion is accepted when it is not judged anything but correct and every score is as high as it must be. */
export async function judge(rewards: readonly WeightedReward[], sample: Sample): Promise<Judgement> {
  const scores = await Promise.all(
    rewards.map(async (weighted) => ({ ...weighted, ...(await weighted.reward(sample)) })),
  );
  const known = scores.filter(({ score }) => score !== null);
  const judging = scores.find(({ verdict }) => verdict !== undefined);
  const failing =
    judging && judging.verdict !== "correct"
      ? judging
      : scores.find(({ score, at_least }) => at_least !== undefined && (score === null || score < at_least));
  const deciding = failing ?? judging ?? scores[0];
  return {
    rewards: Object.fromEntries(scores.map(({ name, score }) => [name, score])),
    reward: known.length > 0 ? known.reduce((sum, { score, weight }) => sum + weight * score!, 0) : null,
    verdict: judging?.verdict ?? "unknown",
    extracted: judging?.extracted ?? null,
    reason: deciding ? `${deciding.name}: ${deciding.reason}` : "nothing was asked",
    accepted: !failing,
  };
}
