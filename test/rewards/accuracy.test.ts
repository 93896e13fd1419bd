import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "../../src/core/component.ts";
import * as rewards from "../../src/rewards/index.ts";
import { GRADER_VERSION } from "../../src/rewards/math/index.ts";
import type { Sample, Score } from "../../src/rewards/reward.ts";

const judge = (sample: Omit<Sample, "prompt">, profile?: string): Score => {
  const options = rewards.accuracy.options.parse(profile ? { profile } : {});
  return create(rewards, { type: "accuracy", ...options }, "reward")({ prompt: "", ...sample }) as Score;
};

test("a right answer scores 1 and a wrong one 0", () => {
  const right = judge({ completion: "So \\boxed{42}.", answer: "42" });
  assert.deepEqual([right.score, right.verdict, right.extracted], [1, "correct", "42"]);
  const wrong = judge({ completion: "So \\boxed{41}.", answer: "42" });
  assert.deepEqual([wrong.score, wrong.verdict], [0, "incorrect"]);
});

test("without a reference that can be read it cannot say", () => {
  for (const sample of [{ completion: "\\boxed{42}" }, { completion: "\\boxed{}", answer: "" }]) {
    const { score, verdict } = judge(sample);
    assert.deepEqual([score, verdict], [null, "unknown"]);
  }
});

test("a completion cut at the limit before it answered is truncated; one that answered is judged", () => {
  const cut = judge({ completion: "<think> first, 42 is", answer: "42", finish_reason: "length" });
  assert.deepEqual([cut.score, cut.verdict, cut.extracted], [0, "truncated", null]);
  const answered = judge({ completion: "\\boxed{42} and moreover", answer: "42", finish_reason: "length" });
  assert.deepEqual([answered.score, answered.verdict], [1, "correct"]);
  const silent = judge({ completion: "I cannot say", answer: "42", finish_reason: "stop" });
  assert.deepEqual([silent.score, silent.verdict], [0, "incorrect"]);
});

test("a bare answer is enough for the lenient profile only", () => {
  assert.equal(judge({ completion: "42", answer: "42" }).score, 0);
  assert.equal(judge({ completion: "42", answer: "42" }, "lenient").score, 1);
});

test("options ask for a tolerance, for the reference's precision, and for any of several references", () => {
  const score = (options: Record<string, unknown>, given: string, answer: string) => {
    const rule = create(rewards, { type: "accuracy", ...rewards.accuracy.options.parse(options) }, "reward");
    return (rule({ prompt: "", completion: `\\boxed{${given}}`, answer }) as Score).score;
  };
  assert.equal(score({}, "3.14", "\\pi"), 0);
  assert.equal(score({ relative_tolerance: 0.01 }, "3.14", "\\pi"), 1);
  assert.equal(score({ precision: "reference" }, "3.14159", "3.14"), 1);
  assert.equal(score({ percent_sign: "optional" }, "28", "28\\%"), 1);
  assert.equal(score({ separator: "||" }, "0.5", "1 || 1/2"), 1);
  assert.equal(score({ separator: "||" }, "0.4", "1 || 1/2"), 0);
  assert.throws(() => rewards.accuracy.options.parse({ relative_tolerance: 2 }));
});

test("the rule has the grader's version", () => {
  assert.equal(rewards.accuracy.version, GRADER_VERSION);
});
