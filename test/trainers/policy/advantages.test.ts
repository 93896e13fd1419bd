import assert from "node:assert/strict";
import { test } from "node:test";
import { groupAdvantages, movingAdvantages, tokenShares } from "../../../src/trainers/policy/advantages.ts";

const near = (found: readonly number[], expected: readonly number[]) =>
  found.forEach((x, i) => {
    assert.ok(Math.abs(x - expected[i]!) < 1e-9, `${found} and ${expected}`);
  });

test("an advantage is a reward above its group's mean, over the group's deviation, the batch's, or as it is", () => {
  const groups = [
    [1, 0, 0, 1],
    [3, 3, 3, 3],
    [0, 2, 4, 2],
  ];
  const [deviation, spread] = [Math.sqrt(1 / 3), Math.sqrt(8 / 3)];
  const batch = Math.sqrt(groups.flat().reduce((sum, x) => sum + (x - 22 / 12) ** 2, 0) / 11);
  const [first, second, third] = groupAdvantages(groups, "group");
  near(
    first!,
    [0.5, -0.5, -0.5, 0.5].map((x) => x / (deviation + 1e-4)),
  );
  near(second!, [0, 0, 0, 0]);
  near(
    third!,
    [-2, 0, 2, 0].map((x) => x / (spread + 1e-4)),
  );
  near(
    groupAdvantages(groups, "batch")[2]!,
    [-2, 0, 2, 0].map((x) => x / (batch + 1e-4)),
  );
  near(groupAdvantages(groups, "none")[2]!, [-2, 0, 2, 0]);
});

test("what no rule could judge is in no mean, and has no advantage", () => {
  near(groupAdvantages([[1, null, 0]], "none")[0]!, [0.5, 0, -0.5]);
  near(groupAdvantages([[null, null]], "group")[0]!, [0, 0]);
  near(movingAdvantages([[1, null]], 0.25, "none")[0]!, [0.75, 0]);
});

test("a token's share: a mean over completions of means, over trained or over sampled tokens, or over the longest there may be", () => {
  const lengths = [4, 0, 2]; // the second was cut, and is left out
  near(tokenShares(lengths, "grpo", 10, 9), [1 / 12, 0, 1 / 6]);
  near(tokenShares(lengths, "bnpo", 10, 9), [1 / 6, 0, 1 / 6]);
  near(tokenShares(lengths, "dapo", 10, 9), [1 / 9, 0, 1 / 9]);
  near(tokenShares(lengths, "dr_grpo", 10, 9), [1 / 30, 0, 1 / 30]);
});
