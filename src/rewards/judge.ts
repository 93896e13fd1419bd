/** @file Several rewards as one judgement of a completion. */

import type { Judgement } from "../core/trace.ts";
import type { Reward, Sample, Score } from "./reward.ts";

/** A reward with its place in the sum. */
export type WeightedReward = {
  /** The column of its scores. */
  name: string;
  reward: Reward;
  weight: number;
  /** A completion with a lower score, or none, is not accepted. */
  at_least?: number | undefined;
  /** It compares the samples of a prompt, so it says nothing of one that stands alone. */
  ofGroup?: boolean | undefined;
  /** It stays on the thread that asks. */
  ownThread?: boolean | undefined;
};

/**
 * Judge all samples of one prompt. Rules apply in their order; they see the group, and the verdict of the first rule
 * before them that gave one. A completion is accepted when it is not judged anything but correct and every score is as
 * high as it must be. A rule that throws says nothing of that sample but infra_error.
 */
export async function judgeGroup(rewards: readonly WeightedReward[], samples: readonly Sample[]): Promise<Judgement[]> {
  const drawn = samples.filter(({ error }) => error === undefined); // what could not be drawn is in no group
  let group = drawn;
  const scores: Score[][] = drawn.map(() => []);
  for (const { reward } of rewards) {
    const given = await Promise.all(group.map((sample) => asked(() => reward(sample, group))));
    given.forEach((score, i) => {
      scores[i]!.push(score);
    });
    group = group.map((sample, i) => withVerdict(sample, given[i]!));
  }
  let next = 0;
  return samples.map(({ error }) =>
    error === undefined ? judgement(rewards, scores[next++]!) : notDrawn(rewards, error),
  );
}

/** Judge a completion whose group is not there yet: what rules of a group will say is left open and asks nothing of it. */
export async function judge(rewards: readonly WeightedReward[], sample: Sample): Promise<Judgement> {
  if (sample.error !== undefined) return notDrawn(rewards, sample.error);
  let seen = sample;
  const scores: Score[] = [];
  for (const { reward, ofGroup } of rewards) {
    const given = ofGroup ? OPEN : asked(() => reward(seen));
    // most rules answer at once, and waiting a turn for each would cost more than they do
    const score = given instanceof Promise ? await given : given;
    scores.push(score);
    seen = withVerdict(seen, score);
  }
  return judgement(rewards, scores);
}

/** What a rule says. One that throws has failed itself, not the completion. */
function asked(rule: () => Score | Promise<Score>): Score | Promise<Score> {
  try {
    const given = rule();
    return given instanceof Promise ? given.catch(failed) : given;
  } catch (error) {
    return failed(error);
  }
}

const failed = (error: unknown): Score => ({
  score: null,
  verdict: "infra_error",
  reason: error instanceof Error ? error.message : String(error),
});

const notDrawn = (rewards: readonly WeightedReward[], error: string): Judgement => ({
  rewards: Object.fromEntries(rewards.map(({ name }) => [name, null])),
  reward: null,
  verdict: "infra_error",
  extracted: null,
  reason: error,
  accepted: false,
});

const OPEN: Score = { score: null, reason: "said when all samples of the prompt are there" };

const withVerdict = (sample: Sample, { verdict }: Score): Sample =>
  sample.verdict === undefined && verdict !== undefined ? { ...sample, verdict } : sample;

function judgement(rewards: readonly WeightedReward[], scores: readonly Score[]): Judgement {
  // a rule that failed leaves nothing to go by, whatever others say
  const broken = scores.findIndex(({ verdict }) => verdict === "infra_error");
  const judging = broken >= 0 ? broken : scores.findIndex(({ verdict }) => verdict !== undefined);
  const tooLow = ({ at_least }: WeightedReward, score: Score) =>
    at_least !== undefined && score !== OPEN && (score.score === null || score.score < at_least);
  const failing =
    judging >= 0 && scores[judging]!.verdict !== "correct"
      ? judging
      : rewards.findIndex((reward, i) => tooLow(reward, scores[i]!));
  const deciding = failing >= 0 ? failing : Math.max(judging, 0);
  const named: Judgement["rewards"] = {};
  let sum: number | null = null;
  for (const [i, { name, weight }] of rewards.entries()) {
    const { score } = scores[i]!;
    named[name] = score;
    if (score !== null) sum = (sum ?? 0) + weight * score;
  }
  return {
    rewards: named,
    reward: sum,
    verdict: scores[judging]?.verdict ?? "unknown",
    extracted: scores[judging]?.extracted ?? null,
    reason: rewards.length > 0 ? `${rewards[deciding]!.name}: ${scores[deciding]!.reason}` : "nothing was asked",
    rule_version: scores[judging]?.version ?? null,
    accepted: failing < 0,
  };
}
