/** @file Several rules over the samples of one prompt, and their sum. */

import { DistillError } from "../core/errors.ts";
import type { Verdict } from "../core/trace.ts";
import type { Reward, Sample, Score } from "./reward.ts";

/** Σ weight · score over the scores that are known, and the sum of the weights that took part; null where none is. */
export function combine(
  scores: readonly (number | null)[],
  weights: readonly number[],
): { score: number | null; weight: number } {
  if (scores.length !== weights.length)
    throw new DistillError(`${scores.length} scores have ${weights.length} weights: give one weight for each score.`);
  const known = scores.flatMap((score, i) => (score === null ? [] : [{ score, weight: weights[i]! }]));
  const sum = known.reduce((sum, { score, weight }) => sum + weight * score, 0);
  return { score: known.length === 0 ? null : sum, weight: known.reduce((sum, { weight }) => sum + weight, 0) };
}

export type Rule = { name: string; reward: Reward; weight: number };

export type Judged = { score: number | null; verdict?: Verdict; scores: Record<string, Score> };

/**
 * Apply rules in their order to all samples of one prompt. Rules see the group and the verdict of the first rule before
 * them that gave one.
 */
export async function scoreGroup(rules: readonly Rule[], samples: readonly Sample[]): Promise<Judged[]> {
  let group = [...samples];
  const scores: Record<string, Score>[] = samples.map(() => ({}));
  for (const { name, reward } of rules) {
    const given = await Promise.all(group.map((sample) => reward(sample, group)));
    group = group.map((sample, i) => {
      const score = given[i]!;
      scores[i]![name] = score;
      return sample.verdict === undefined && score.verdict !== undefined
        ? { ...sample, verdict: score.verdict }
        : sample;
    });
  }
  return group.map(({ verdict }, i) => ({
    ...combine(
      rules.map(({ name }) => scores[i]![name]!.score),
      rules.map(({ weight }) => weight),
    ),
    ...(verdict === undefined ? {} : { verdict }),
    scores: scores[i]!,
  }));
}
