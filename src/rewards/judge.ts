/** @file Several rewards as one judgement of a completion. */

import type { JudgeColumns, Judgement } from "../core/trace.ts";
import { withoutEndOfTurn } from "./end-of-turn.ts";
import { counted, type Given, isAsked, type JudgeModel, scoreOf } from "./opinion.ts";
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
  /** It is nothing without a reference. */
  needsAnswer?: boolean | undefined;
  /** Whether two answers that it extracted are one. */
  same?: ((a: string, b: string) => boolean) | undefined;
  /** Of the rule. */
  version?: string | undefined;
  /** Who is asked where the rule says no. */
  judge?: JudgeModel | undefined;
};

/**
 * Judge all samples of one prompt. Rules apply in their order; they see the group, and the verdict of the first rule
 * before them that gave one. A completion is accepted when it is not judged anything but correct and every score is as
 * high as it must be; where a rule has a judge, what that says counts. A rule that throws says nothing of that sample but
 * infra_error.
 */
export async function judgeGroup(rewards: readonly WeightedReward[], samples: readonly Sample[]): Promise<Judgement[]> {
  // what could not be drawn is in no group
  const drawn = samples.filter(({ error }) => error === undefined).map(answered);
  let group = drawn;
  const scores: Given[][] = drawn.map(() => []);
  for (const { reward, judge } of rewards) {
    const given = await Promise.all(
      group.map(async (sample) => secondly(judge, sample, await asked(() => reward(sample, group)))),
    );
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
  let seen = answered(sample);
  const scores: Given[] = [];
  for (const { reward, ofGroup, judge } of rewards) {
    const given = ofGroup ? OPEN : asked(() => reward(seen));
    // most rules answer at once, and waiting a turn for each would cost more than they do
    let score: Given = given instanceof Promise ? await given : given;
    if (judge) score = await secondly(judge, seen, score);
    scores.push(score);
    seen = withVerdict(seen, score);
  }
  return judgement(rewards, scores);
}

/** A sample as rules see it. */
function answered(sample: Sample): Sample {
  const completion = withoutEndOfTurn(sample.completion);
  return completion === sample.completion ? sample : { ...sample, completion };
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

/** What a rule said, with what its judge says of that. What ends the judge ends the judging: it is no verdict on a row. */
const secondly = async (judge: JudgeModel | undefined, sample: Sample, score: Score): Promise<Given> =>
  judge && isAsked(judge, sample, score) ? { ...score, opinion: await judge.ask(sample) } : score;

const failed = (error: unknown): Score => ({
  score: null,
  verdict: "infra_error",
  reason: error instanceof Error ? error.message : String(error),
});

const notDrawn = (rewards: readonly WeightedReward[], error: string): Judgement => ({
  rewards: Object.fromEntries(
    rewards.flatMap(({ name, judge }) => [name, ...(judge ? [judgeName(name)] : [])].map((column) => [column, null])),
  ),
  reward: null,
  verdict: "infra_error",
  extracted: null,
  reason: error,
  version: null,
  ...judgeColumns(rewards, []),
  accepted: false,
});

/** The column of what a rule's judge says. */
const judgeName = (name: string) => `${name}_judge`;

function judgeColumns(rewards: readonly WeightedReward[], scores: readonly Given[]): Partial<JudgeColumns> {
  const at = rewards.findIndex(({ judge }) => judge);
  if (at < 0) return {};
  const { verdict = null, reason = null, model = null } = scores[at]?.opinion ?? {};
  return { judge_verdict: verdict, judge_reason: reason, judge_model: model };
}

const OPEN: Score = { score: null, asksNothing: true, reason: "said when all samples of the prompt are there" };

function withVerdict(sample: Sample, given: Given): Sample {
  const { verdict } = counted(given);
  return sample.verdict === undefined && verdict !== undefined ? { ...sample, verdict } : sample;
}

function judgement(rewards: readonly WeightedReward[], scores: readonly Given[]): Judgement {
  // a rule that failed leaves nothing to go by, whatever others say
  const broken = scores.findIndex(({ verdict }) => verdict === "infra_error");
  const judging = broken >= 0 ? broken : scores.findIndex(({ verdict }) => verdict !== undefined);
  const final = scores.map(counted);
  const tooLow = ({ at_least }: WeightedReward, i: number) =>
    at_least !== undefined && !scores[i]!.asksNothing && (final[i]!.score === null || final[i]!.score < at_least);
  const failing = judging >= 0 && final[judging]!.verdict !== "correct" ? judging : rewards.findIndex(tooLow);
  const deciding = failing >= 0 ? failing : Math.max(judging, 0);
  const named: Judgement["rewards"] = {};
  let sum: number | null = null;
  for (const [i, { name, weight, judge }] of rewards.entries()) {
    const { score } = final[i]!;
    named[name] = scores[i]!.score;
    if (judge) named[judgeName(name)] = scoreOf(scores[i]!.opinion);
    if (score !== null) sum = (sum ?? 0) + weight * score;
  }
  return {
    rewards: named,
    reward: sum,
    verdict: scores[judging]?.verdict ?? "unknown",
    extracted: scores[judging]?.extracted ?? null,
    reason: rewards.length > 0 ? `${rewards[deciding]!.name}: ${reasonOf(scores[deciding]!)}` : "nothing was asked",
    version: judging < 0 ? null : `${rewards[judging]!.name} ${rewards[judging]!.version ?? "1"}`,
    ...judgeColumns(rewards, scores),
    accepted: failing < 0,
  };
}

const reasonOf = ({ reason, opinion }: Given): string =>
  opinion ? `${reason}; the judge ${opinion.model}: ${opinion.reason}` : reason;
