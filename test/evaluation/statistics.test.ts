import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Trace } from "../../src/data/traces.ts";
import { wilson95 } from "../../src/evaluation/intervals.ts";
import { measure, requireWholePrompts } from "../../src/evaluation/metrics.ts";
import { gainOver } from "../../src/evaluation/paired.ts";
import { passAtK } from "../../src/evaluation/pass-at-k.ts";
import { majorityRight } from "../../src/rewards/agreement.ts";
import { accuracy } from "../../src/rewards/index.ts";
import { bestOf, majorityOf } from "../../src/search/best-of-n.ts";

type Reference = {
  pass_at_k: { n: number; right: number; k: number; value: number }[];
  wilson: { right: number; n: number; low: number; high: number }[];
  paired: { samples: number; before: number[]; after: number[]; p_value: number }[];
  majority: { answers: string; right: string; value: number }[];
  best_of: { scores: number[]; right: number[]; n: number; value: number }[];
};
const reference: Reference = JSON.parse(readFileSync("test/reference/evaluation_statistics.json", "utf8"));

const near = (found: number, expected: number, what: unknown) =>
  assert.ok(Math.abs(found - expected) < 1e-12, `${JSON.stringify(what)}: ${found} is not ${expected}`);

const sample = (prompt_id: string, extracted: string | null, right: boolean, other: Partial<Trace> = {}) =>
  ({
    prompt_id,
    extracted,
    verdict: right ? "correct" : "incorrect",
    finish_reason: "stop",
    token_ids: [1, 2],
    ...other,
  }) as unknown as Trace;

/** `right` of `samples` for each problem. */
const tallies = (counts: readonly number[], samples: number): Trace[] =>
  counts.flatMap((right, i) => Array.from({ length: samples }, (_, j) => sample(`p${i}`, `${j}`, j < right)));

test("pass@k is the unbiased estimator, within 1e-12 of exact fractions", () => {
  for (const one of reference.pass_at_k) near(passAtK(one.n, one.right, one.k), one.value, one);
  assert.throws(() => passAtK(4, 1, 8), /pass@8 needs 8 samples of each problem, and there are 4/);
  const { pass_at_k } = measure(tallies([1, 3], 4));
  assert.deepEqual(
    pass_at_k!.map(({ k }) => k),
    [1, 2, 4],
  );
  near(pass_at_k![1]!.pass, (passAtK(4, 1, 2) + passAtK(4, 3, 2)) / 2, "pass@2");
  const [asked] = measure(tallies([1, 3], 4), { pass_at: [3] }).pass_at_k!;
  near(asked!.pass, (passAtK(4, 1, 3) + 1) / 2, "pass@3");
});

test("the interval of single samples is scipy's, within 1e-12", () => {
  for (const one of reference.wilson) {
    const shares = Array.from({ length: one.n }, (_, i) => Number(i < one.right));
    const [low, high] = wilson95(shares);
    near(low, one.low, one);
    near(high, one.high, one);
    const { pass_at_1_ci95 } = measure(tallies(shares, 1));
    assert.deepEqual(pass_at_1_ci95, [low, high]);
  }
});

test("the p-value of a paired gain is that of all ways to swap pairs, and McNemar's for single samples", () => {
  for (const one of reference.paired) {
    const { p_value, pass_at_1, problems } = gainOver(
      "base",
      tallies(one.before, one.samples),
      tallies(one.after, one.samples),
    );
    near(p_value!, one.p_value, one);
    const sum = one.after.reduce((total, right, i) => total + right - one.before[i]!, 0);
    near(pass_at_1, sum / one.samples / one.before.length, one);
    assert.equal(problems, one.before.length);
  }
});

test("models with other numbers of samples are compared by their shares, exactly", () => {
  // 1 of 2 and 2 of 4 are the same share; 0 of 2 against 4 of 4 on one problem leaves two ways, both as far apart
  const before = [...tallies([1, 0], 2)];
  const after = [...tallies([2, 4], 4)];
  const { pass_at_1, p_value } = gainOver("base", before, after);
  near(pass_at_1, 0.5, "gain");
  near(p_value!, 1, "p");
});

test("no interval of a gain goes beyond what shares can differ by", () => {
  const { pass_at_1, ci95 } = gainOver("base", tallies([0, 0, 0, 1], 1), tallies([1, 1, 1, 1], 1));
  assert.deepEqual([pass_at_1, ci95[1], ci95[0] > 0], [0.75, 1, true]);
  assert.equal(gainOver("base", tallies([1, 1, 1, 1], 1), tallies([0, 0, 0, 1], 1)).ci95[0], -1);
});

test("the majority is right as often as chance breaks its ties so, within 1e-12", () => {
  for (const { answers, right, value } of reference.majority) {
    const samples = [...answers].map((extracted) => ({ extracted }));
    near(
      majorityRight(samples, ({ extracted }) => extracted === right),
      value,
      answers,
    );
  }
});

test("cons@k goes by mathematics where texts differ: one half is written in four ways against two equal texts", () => {
  const planted = [
    ...["1/2", "0.5", "\\frac{1}{2}", "\\dfrac12"].map((text) => sample("a", text, true)),
    ...["3", "3"].map((text) => sample("a", text, false)),
  ];
  assert.equal(measure(planted).cons_at_k, 1);
  // as texts each of the four is alone, and the wrong 3 is what most say
  assert.equal(measure(planted, { same: (a, b) => a === b }).cons_at_k, 0);
  assert.ok(accuracy.same!("1,000", "1000") && accuracy.same!("50\\%", "0.5") && !accuracy.same!("1/3", "0.33"));
  // a tie of two answers of two samples each: the same whatever comes first
  const tie = ["7", "7.0", "8", "8"].map((text) => sample("b", text, text.startsWith("7")));
  assert.deepEqual([measure(tie).cons_at_k, measure([...tie].reverse()).cons_at_k], [0.5, 0.5]);
});

test("samples that are missing, prompts that were cut and answers that cannot be judged are not passed over", () => {
  assert.throws(
    () => measure([...tallies([1, 1], 4), sample("late", "1", true)]),
    /The problem "late" has 1 sample, and 4 of each are measured/,
  );
  assert.throws(() => measure(tallies([1], 2), { k: 4 }), /"p0" has 2 samples, and 4 of each are measured/);
  const words = Array(400).fill("word").join(" ");
  const read = (prompt_tokens: number) => sample("long", "1", true, { prompt_text: words, prompt_tokens });
  requireWholePrompts([read(420)], "model");
  assert.throws(() => requireWholePrompts([read(128)], "model"), /400 words \("long"\) and read 128 tokens of it/);
  const metrics = measure([
    sample("a", null, false, { verdict: "infra_error" }),
    sample("b", null, false, { finish_reason: "length", max_completion_length: 2 }),
    sample("c", null, false, { finish_reason: "length", max_completion_length: 9 }),
    sample("d", "1", true),
  ]);
  assert.deepEqual(
    [metrics.unjudged, metrics.truncated, metrics.truncated_by_context, metrics.unparsed, metrics.pass_at_1],
    [0.25, 0.5, 0.25, 0.25, 0.25],
  );
});

test("the best and the majority of n are what all subsets of n give, within 1e-12", () => {
  for (const one of reference.best_of) {
    const answers = one.scores.map((score, i) => ({ score, right: one.right[i] === 1 }));
    near(bestOf(answers, one.n), one.value, one);
  }
  assert.equal(
    bestOf(
      [
        { score: null, right: true },
        { score: -9, right: false },
      ],
      2,
    ),
    0,
  );
  const answers = [..."aab"].map((extracted) => ({ extracted, right: extracted === "a" }));
  // aa, ab, ab
  near(majorityOf(answers, 2), (1 + 0.5 + 0.5) / 3, "majority of 2");
  near(majorityOf(answers, 3), 1, "majority of 3");
});
