import assert from "node:assert/strict";
import { test } from "node:test";
import type { Trace } from "../../src/data/traces.ts";
import { wilson95 } from "../../src/evaluation/intervals.ts";
import { measure } from "../../src/evaluation/metrics.ts";
import { gainOver } from "../../src/evaluation/paired.ts";

const sample = (prompt_id: string, extracted: string | null, correct: boolean, finish_reason = "stop") =>
  ({
    prompt_id,
    extracted,
    verdict: correct ? "correct" : "incorrect",
    finish_reason,
    token_ids: [1, 2],
  }) as unknown as Trace;

test("pass@1 is the mean over problems, cons@k goes by the most frequent answer, equal as mathematics", () => {
  const metrics = measure([
    sample("a", "1/2", true),
    sample("a", "0.5", true),
    sample("a", "3", false),
    sample("a", "3.0", false),
    sample("a", "\\frac{1}{2}", true),
    sample("b", "7", true),
    sample("b", "8", false),
    sample("b", "8", false),
    sample("b", null, false, "length"),
    sample("b", null, false),
  ]);
  assert.ok(Math.abs(metrics.pass_at_1 - (0.6 + 0.2) / 2) < 1e-12);
  assert.equal(metrics.cons_at_k, 0.5);
  assert.deepEqual([metrics.k, metrics.problems, metrics.truncated, metrics.unparsed], [5, 2, 0.1, 0.1]);
});

test("the interval is Wilson's for single samples, and narrower where samples of a problem differ", () => {
  const [low, high] = wilson95([...Array(8).fill(1), ...Array(2).fill(0)]);
  // Wilson (1927) for 8 of 10 at z = 1.96
  assert.ok(Math.abs(low - 0.4902) < 5e-4 && Math.abs(high - 0.9433) < 5e-4);
  const [allRight, one] = wilson95(Array(50).fill(1));
  assert.ok(allRight > 0.92 && allRight < 0.94 && one > 1 - 1e-12);
  const [wideLow, wideHigh] = wilson95(Array.from({ length: 40 }, (_, i) => i % 2));
  const [narrowLow, narrowHigh] = wilson95(
    Array(40)
      .fill(0.5)
      .map((share, i) => share + (i % 2 ? 0.1 : -0.1)),
  );
  assert.ok(narrowHigh - narrowLow < wideHigh - wideLow);
});

test("a gain is measured problem by problem, so that problems that are hard for both do not widen its interval", () => {
  const before = Array.from({ length: 100 }, (_, i) => sample(`p${i}`, "1", i < 40));
  const after = Array.from({ length: 100 }, (_, i) => sample(`p${i}`, "1", i < 50));
  const { pass_at_1, ci95 } = gainOver("base", before, after.reverse());
  assert.ok(Math.abs(pass_at_1 - 0.1) < 1e-12);
  // 0.1 ± 1.96 · sqrt(0.1 · 0.9 · 100 / 99 / 100)
  assert.ok(Math.abs(ci95[0] - 0.0409) < 5e-4 && Math.abs(ci95[1] - 0.1591) < 5e-4, `${ci95}`);
  const same = gainOver("base", before, before);
  assert.deepEqual([same.pass_at_1, ...same.ci95], [0, 0, 0]);
});
