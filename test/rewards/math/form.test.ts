import assert from "node:assert/strict";
import { test } from "node:test";
import { gradeMath } from "../../../src/rewards/math/index.ts";

const grade = (given: string, answer: string, form: "number" | "expression" | "any") =>
  gradeMath({ completion: `<think>…</think><answer>${given}</answer>`, answer, profile: "strict", form }).verdict;

const NUMBERS: [given: string, answer: string][] = [
  ["66", "66"],
  ["-66", "-66"],
  ["$66$", "66"],
  ["66.0", "66"],
  ["1,066", "1066"],
  ["3/4", "0.75"],
  ["-\\frac{3}{4}", "-3/4"],
  ["66 km", "66"],
  ["\\boxed{66}", "66"],
];

const WORK: [given: string, answer: string][] = [
  ["5 +6 +52 +3", "66"],
  ["12 *3 -26", "10"],
  ["2*33", "66"],
  ["-(2*33)", "-66"],
  ["132/2 + 0", "66"],
  ["\\sqrt{4356}", "66"],
  ["8^2 + 2", "66"],
  ["(5+6)/(1+1)", "5.5"],
];

test("an answer that is one number is one in every spelling", () => {
  for (const [given, answer] of NUMBERS) assert.equal(grade(given, answer, "number"), "correct", given);
});

test("work that is written down is no number, and an answer where any expression is one", () => {
  for (const [given, answer] of WORK) {
    assert.equal(grade(given, answer, "number"), "incorrect", given);
    assert.equal(grade(given, answer, "expression"), "correct", given);
    assert.equal(grade(given, answer, "any"), "correct", given);
  }
});

test("a relation is no expression", () => {
  assert.equal(grade("5 + 61 = 66", "66", "any"), "correct");
  assert.equal(grade("5 + 61 = 66", "66", "expression"), "incorrect");
});
