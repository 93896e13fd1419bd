import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "../../src/core/component.ts";
import * as rewards from "../../src/rewards/index.ts";
import type { Score } from "../../src/rewards/reward.ts";
import { costOf, tooLong } from "../support/pace.ts";

const score = (completion: string, think_prefilled = false) =>
  (
    create(
      rewards,
      { type: "format", think_prefilled } as { type: string },
      "reward",
    )({
      prompt: "",
      completion,
    }) as Score
  ).score;

test("one block of thought and one answer score 1, whatever the white space around them", () => {
  assert.equal(score("<think>\n1 + 1 = 2\n</think>\n<answer>2</answer>"), 1);
  assert.equal(score(" <think></think><answer> 2 </answer>\n"), 1);
});

test("anything else scores 0", () => {
  const wrong = [
    "",
    "2",
    "<answer>2</answer>",
    "<think>a</think>",
    "<think>a</think> so <answer>2</answer>",
    "Well: <think>a</think><answer>2</answer>",
    "<think>a</think><answer>2</answer> done",
    "<think>a</think><answer> \n</answer>",
    "<think>a<think>b</think></think><answer>2</answer>",
    "<think>a</think><think>b</think><answer>2</answer>",
    "<think>a</think><answer>2</answer><answer>3</answer>",
    "<think>a</think><answer>2<answer></answer>",
    "<think>a <answer>2</answer></think><answer>2</answer>",
    "<answer>2</answer><think>a</think>",
    "<think>a</think><answer>2",
    "<think>a</think><answer>2</answer></think>",
  ];
  for (const completion of wrong) assert.equal(score(completion), 0, completion);
});

test("where the template has opened <think>, the completion begins inside it", () => {
  assert.equal(score("1 + 1 = 2\n</think>\n<answer>2</answer>", true), 1);
  assert.equal(score("<think>1 + 1 = 2</think><answer>2</answer>", true), 0);
  assert.equal(score("1 + 1 = 2\n</think>\n<answer>2</answer>", false), 0);
});

test("a megabyte of tags is refused at once", () => {
  const cost = costOf(() => assert.equal(score("<think>".repeat(150_000)), 0));
  assert.equal(tooLong(cost, 0.2), undefined);
});
