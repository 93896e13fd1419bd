import assert from "node:assert/strict";
import { test } from "node:test";
import { gradeMath, type Leniency } from "../../../src/rewards/math/index.ts";

const grade = (given: string, answer: string | readonly string[], leniency: Leniency = {}) => {
  const { verdict, rule } = gradeMath({ completion: `\\boxed{${given}}`, answer, profile: "strict", ...leniency });
  return verdict === "correct" ? rule : verdict;
};

test("a tolerance is a share of the reference, inside lists and beside units too", () => {
  const loose = { relative_tolerance: 0.01 };
  assert.equal(grade("3.14", "\\pi"), "incorrect");
  assert.equal(grade("3.14", "\\pi", loose), "within the tolerance");
  assert.equal(grade("3.0", "\\pi", loose), "incorrect");
  assert.equal(grade("-3.14", "\\pi", loose), "incorrect");
  assert.equal(grade("(3.14, 2.72)", "(\\pi, e)", loose), "same interval or pair");
  assert.equal(grade("9.81 \\text{ m/s}^2", "9.8", loose), "within the tolerance");
  assert.equal(grade("x", "1.001x", loose), "incorrect");
});

test("the reference's precision accepts what rounds to it", () => {
  const rounded = { precision: "reference" } as const;
  assert.equal(grade("2.71828", "2.72"), "incorrect");
  assert.equal(grade("2.71828", "2.72", rounded), "to the reference's precision");
  assert.equal(grade("\\frac{19}{7}", "2.71", rounded), "to the reference's precision");
  assert.equal(grade("2.726", "2.72", rounded), "incorrect");
  assert.equal(grade("3.2", "3", rounded), "incorrect");
});

test("a percent sign may be left out where that is asked for", () => {
  const optional = { percent_sign: "optional" } as const;
  for (const [given, answer] of [
    ["28", "28\\%"],
    ["28\\%", "28"],
  ] as const) {
    assert.equal(grade(given, answer), "incorrect");
    assert.equal(grade(given, answer, optional), "percent without its sign");
  }
  assert.equal(grade("0.28", "28\\%", optional), "exact number");
  assert.equal(grade("29", "28\\%", optional), "incorrect");
});

test("of several references any is right; none that can be read is unknown", () => {
  assert.equal(grade("0.5", ["x", "\\frac12"]), "exact number");
  assert.equal(grade("0.4", ["x", "\\frac12"]), "incorrect");
  assert.equal(grade("0.4", []), "unknown");
  assert.equal(grade("0.4", ["", "None"]), "unknown");
});

test("the options hold for converted units, for two quantities as one, and for each of several references", () => {
  const loose = { relative_tolerance: 0.02 };
  assert.equal(grade("1.01\\text{ km}", "1000\\text{ m}"), "incorrect");
  assert.equal(grade("1.01\\text{ km}", "1000\\text{ m}", loose), "converted units");
  assert.equal(grade("5\\text{ ft }10\\text{ in}", "71\\text{ in}", loose), "converted units");
  assert.equal(grade("5\\text{ ft }10\\text{ in}", "75\\text{ in}", loose), "incorrect");
  assert.equal(grade("3.1\\text{ cm}", "\\pi\\text{ m}", loose), "incorrect");
  assert.equal(grade("3.1416", ["2", "3.14"], { precision: "reference" }), "to the reference's precision");
  assert.equal(grade("28\\text{ percent of them}", "28", { percent_sign: "optional" }), "percent without its sign");
  assert.equal(grade("28\\text{ percent of them}", "29", { percent_sign: "optional" }), "incorrect");
});
