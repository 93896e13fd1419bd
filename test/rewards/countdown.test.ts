import assert from "node:assert/strict";
import { test } from "node:test";
import { countdown as generator } from "../../src/data/generators/countdown.ts";
import { countdown } from "../../src/rewards/countdown.ts";
import type { Score } from "../../src/rewards/reward.ts";

const rule = countdown.create(countdown.options.parse({}));
const said = (answer: string, reference = "65: 19 36 55 7", finish_reason: "stop" | "length" = "stop") =>
  rule({ prompt: "", completion: `<think>hm</think>${answer}`, answer: reference, finish_reason }) as Score;

test("an expression of the numbers, each used once, that equals the target is right, and one that is not is half a try", () => {
  for (const [answer, reference] of [
    ["<answer>55+36-7-19</answer>", "65: 19 36 55 7"],
    ["<answer> (55 + 36) − 7 - 19 = 65 </answer>", "65: 19 36 55 7"],
    ["<answer>2*(3+4)</answer>", "14: 4 3 2"],
    ["<answer>8/(3-8/3)</answer>", "24: 3 3 8 8"],
    ["<answer>6÷3×4</answer>", "8: 3 4 6"],
  ])
    assert.deepEqual([said(answer!, reference).score, said(answer!, reference).verdict], [1, "correct"], answer);
  for (const answer of [
    "<answer>55+36-7-19-0</answer>", // another number
    "<answer>55+36-26</answer>",
    "<answer>65</answer>",
    "<answer>55+36-7-7</answer>",
    "<answer>55+36+7-19</answer>", // another value
    "<answer>55/(19-19)+36*7</answer>",
    "<answer>5519+36-7</answer>", // two numbers written as one
  ])
    assert.deepEqual([said(answer).score, said(answer).verdict], [0.1, "incorrect"], answer);
});

test("what is no expression in one answer block earns nothing", () => {
  for (const answer of [
    "",
    "55+36-7-19",
    "<answer></answer>",
    "<answer>fifty-five</answer>",
    "<answer>55**36</answer>".replace("36", "x"),
    "<answer>65: 55+36-7-19</answer>",
    "<answer>55+36-7-19</answer><answer>55+36-7-19</answer>",
    "<answer>\\boxed{65}</answer>",
    `<answer>${"(".repeat(300)}</answer>`,
  ])
    assert.deepEqual([said(answer).score, said(answer).verdict], [0, "incorrect"], answer);
  assert.equal(said("<answer>55+", undefined, "length").verdict, "truncated");
  assert.equal(said("<answer>1</answer>", "sixty-five").score, null);
});

test("every problem of the generator is solved by its own solution, and the splits share none", () => {
  const take = (split: "train" | "test", numbers: [number, number]) => {
    const all = generator.create(generator.options.parse({ numbers }))(split, 3)[Symbol.iterator]();
    return Array.from({ length: 150 }, () => all.next().value!);
  };
  for (const numbers of [
    [2, 2],
    [3, 4],
    [6, 6],
  ] as [number, number][])
    for (const { completion, answer, prompt } of take("train", numbers)) {
      const { score, reason } = rule({ prompt, completion, answer }) as Score;
      assert.equal(score, 1, `${completion}, ${answer}: ${reason}`);
    }
  const train = new Set(take("train", [3, 4]).map(({ prompt }) => prompt));
  assert.ok(take("test", [3, 4]).every(({ prompt }) => !train.has(prompt)));
});
