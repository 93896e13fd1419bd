import assert from "node:assert/strict";
import { test } from "node:test";
import type { Verdict } from "../../src/core/trace.ts";
import { verdictOf } from "../../src/core/trace.ts";
import { judge, judgeGroup, type WeightedReward } from "../../src/rewards/judge.ts";
import type { JudgeModel, Opinion } from "../../src/rewards/opinion.ts";
import type { Sample, Score } from "../../src/rewards/reward.ts";

const asked: string[] = [];
/** It says what stands in the completion behind "judge:". */
const model = (when: Verdict[] = ["incorrect", "unknown"]): JudgeModel => ({
  when,
  width: 8,
  async ask({ completion }) {
    asked.push(completion);
    const said = /judge:(\w+)/.exec(completion)![1]!;
    if (said === "broken") throw new Error("the server refuses the key");
    return { verdict: said as Opinion["verdict"], reason: `says ${said}`, model: "m" };
  },
});

/** It says what stands in the completion behind "rule:". */
const rule = ({ completion }: Sample): Score => {
  const said = /rule:(\w+)/.exec(completion)![1] as Verdict;
  const score = { correct: 1, incorrect: 0, truncated: 0, unknown: null, infra_error: null }[said];
  return { score, verdict: said, extracted: "x", reason: "by the rule" };
};
const rewards = (more: Partial<WeightedReward> = {}): WeightedReward[] => [
  { name: "accuracy", weight: 2, reward: rule, judge: model(), ...more },
  {
    name: "later",
    weight: 1,
    reward: ({ verdict }) => ({ score: verdict === "correct" ? 0.5 : 0, reason: "by the verdict" }),
  },
];
const sample = (said: string, more: Partial<Sample> = {}): Sample => ({
  prompt: "?",
  answer: "4",
  completion: said,
  ...more,
});
const of = (said: string, more?: Partial<WeightedReward>) => judge(rewards(more), sample(said));

test("the rule's verdict stays what it is, and the judge's stands beside it", async () => {
  const judged = await of("rule:incorrect judge:correct");
  assert.deepEqual(
    [judged.verdict, judged.judge_verdict, judged.judge_reason, judged.judge_model],
    ["incorrect", "correct", "says correct", "m"],
  );
  assert.deepEqual(judged.rewards, { accuracy: 0, accuracy_judge: 1, later: 0.5 });
  assert.equal(judged.accepted, true);
  assert.equal(judged.reward, 2 * 1 + 0.5);
  assert.equal(judged.reason, "accuracy: by the rule; the judge m: says correct");
  assert.equal(verdictOf(judged), "correct");
});

test("what the rule finds correct is asked of nobody", async () => {
  asked.length = 0;
  const judged = await of("rule:correct judge:incorrect");
  assert.deepEqual(asked, []);
  assert.deepEqual([judged.judge_verdict, judged.judge_reason, judged.judge_model], [null, null, null]);
  assert.deepEqual([judged.accepted, judged.reward, judged.rewards.accuracy_judge], [true, 2.5, null]);
});

test("each verdict of a rule and each of a judge come to what counts", async () => {
  const table: [said: string, counts: Verdict, accepted: boolean, reward: number | null][] = [
    ["rule:incorrect judge:incorrect", "incorrect", false, 0],
    ["rule:incorrect judge:unknown", "incorrect", false, 0],
    ["rule:unknown judge:correct", "correct", true, 2.5],
    ["rule:unknown judge:incorrect", "incorrect", false, 0],
    ["rule:unknown judge:unknown", "unknown", false, 0],
    ["rule:truncated judge:correct", "truncated", false, 0],
    ["rule:infra_error judge:correct", "infra_error", false, 0],
  ];
  for (const [said, counts, accepted, reward] of table) {
    const judged = await of(said);
    assert.deepEqual([verdictOf(judged), judged.accepted, judged.reward], [counts, accepted, reward], said);
  }
});

test("a judge that failed is no verdict on the row, and leaves no score of the rule's alone", async () => {
  const judged = await of("rule:incorrect judge:infra_error");
  assert.deepEqual(
    [judged.verdict, judged.judge_verdict, verdictOf(judged)],
    ["incorrect", "infra_error", "incorrect"],
  );
  assert.deepEqual([judged.accepted, judged.rewards.accuracy, judged.rewards.accuracy_judge], [false, 0, null]);
  assert.equal(judged.reward, 0); // of the later rule alone
});

test("what ends the judge ends the judging, and is no verdict of any row", async () => {
  await assert.rejects(of("rule:incorrect judge:broken"), /refuses the key/);
  await assert.rejects(judgeGroup(rewards(), [sample("rule:incorrect judge:broken")]), /refuses the key/);
});

test("cut answers are asked about only where that is said", async () => {
  const judged = await of("rule:truncated judge:correct", { judge: model(["truncated"]) });
  assert.deepEqual([judged.verdict, judged.judge_verdict, judged.accepted], ["truncated", "correct", true]);
  assert.equal((await of("rule:incorrect judge:correct", { judge: model(["truncated"]) })).judge_verdict, null);
});

test("there is nothing to ask about an answer that is empty, or that has no reference", async () => {
  asked.length = 0;
  const empty = await judge(rewards(), sample("<think>rule:incorrect judge:correct</think>\n "));
  const { answer: _, ...without } = sample("rule:unknown judge:correct");
  const judged = [empty, await judge(rewards(), without)];
  assert.deepEqual(asked, []);
  assert.deepEqual(
    judged.map(({ judge_verdict, accepted }) => [judge_verdict, accepted]),
    [
      [null, false],
      [null, false],
    ],
  );
});

test("at_least asks of the score that counts", async () => {
  assert.equal((await of("rule:incorrect judge:correct", { at_least: 1 })).accepted, true);
  assert.equal((await of("rule:incorrect judge:infra_error", { at_least: 0 })).accepted, false);
});

test("a group is judged as its samples are alone", async () => {
  const said = [
    "rule:incorrect judge:correct",
    "rule:correct judge:incorrect",
    "rule:unknown judge:unknown",
    "rule:incorrect judge:infra_error",
  ];
  const together = await judgeGroup(
    rewards(),
    said.map((one) => sample(one)),
  );
  assert.deepEqual(together, await Promise.all(said.map((one) => of(one))));
});

test("rows that could not be drawn have the columns of the others", async () => {
  const [drawn, not] = await judgeGroup(rewards(), [
    sample("rule:incorrect judge:correct"),
    sample("", { error: "too long" }),
  ]);
  assert.deepEqual(Object.keys(not!).sort(), Object.keys(drawn!).sort());
  assert.deepEqual(Object.keys(not!.rewards), Object.keys(drawn!.rewards));
  assert.deepEqual([not!.verdict, not!.judge_verdict], ["infra_error", null]);
});

test("without a judge there are no columns of one", async () => {
  const judged = await judge(rewards({ judge: undefined }), sample("rule:incorrect"));
  assert.deepEqual(
    Object.keys(judged).filter((name) => name.startsWith("judge")),
    [],
  );
  assert.deepEqual(Object.keys(judged.rewards), ["accuracy", "later"]);
});
