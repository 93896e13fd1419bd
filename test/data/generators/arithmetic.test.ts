import assert from "node:assert/strict";
import { test } from "node:test";
import { arithmetic } from "../../../src/data/generators/arithmetic.ts";
import type { Problem, Split } from "../../../src/data/generators/generator.ts";

function take(split: Split, seed: number, count: number): Problem[] {
  const problems: Problem[] = [];
  for (const problem of arithmetic.create({})(split, seed)) {
    problems.push(problem);
    if (problems.length === count) break;
  }
  return problems;
}

const value = (expression: string): number =>
  [...expression.matchAll(/([+-]?)(\d+)(?:\*(\d+))?/g)].reduce(
    (sum, [, sign, a, b]) => sum + (sign === "-" ? -1 : 1) * Number(a) * Number(b ?? 1),
    0,
  );

test("every step of every solution is true, and the last one is the answer", () => {
  for (const { prompt, completion, answer } of take("train", 3, 500)) {
    const [, steps, final] = /^<think>(.*)<\/think><answer>(\d+)<\/answer>$/s.exec(completion)!;
    for (const step of steps!.split("\n")) {
      const sides = step.split("=").map(value);
      assert.ok(
        sides.every((side) => side === sides[0]),
        step,
      );
    }
    assert.equal(final, answer);
    assert.equal(value(prompt.slice(0, -2)), Number(answer), prompt);
    assert.ok(steps!.endsWith(`=${answer}`));
  }
});

test("the splits share no prompt, and a seed gives the same problems again", () => {
  const train = new Set(take("train", 1, 5000).map(({ prompt }) => prompt));
  assert.ok(take("test", 1, 1000).every(({ prompt }) => !train.has(prompt)));
  assert.deepEqual(take("train", 9, 20), take("train", 9, 20));
  assert.notDeepEqual(take("train", 9, 20), take("train", 10, 20));
});
