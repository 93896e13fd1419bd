import assert from "node:assert/strict";
import { test } from "node:test";
import { createRewards } from "../../src/rewards/create.ts";
import { judge } from "../../src/rewards/judge.ts";
import { multiple_choice } from "../../src/rewards/multiple-choice.ts";

const [rule] = await createRewards([{ type: "multiple_choice", weight: 1 }]);
const [strict] = await createRewards([{ type: "multiple_choice", weight: 1, profile: "strict" } as never]);
const verdict = async (completion: string, answer = "C", finish_reason: "stop" | "length" = "stop", by = rule!) => {
  const { verdict, extracted } = await judge([by], { prompt: "?", completion, answer, finish_reason });
  return [verdict, extracted];
};

test("a letter is read in a box, behind words, in a tag, and alone", async () => {
  for (const said of [
    "\\boxed{C}",
    "\\boxed{\\text{C}}",
    "It follows.\nAnswer: C",
    "<answer>C</answer>",
    "(C)",
    "The answer is (C) 42.",
  ])
    assert.deepEqual(await verdict(said), ["correct", "C"], said);
  for (const said of ["\\boxed{B}", "Answer: D", "<answer>A) four</answer>"])
    assert.equal((await verdict(said))[0], "incorrect", said);
  assert.deepEqual(await verdict("<think>Perhaps \\boxed{C}.</think>Answer: B"), ["incorrect", "B"]);
});

test("no letter is wrong, a cut answer truncated, and a reference that is no letter cannot be judged", async () => {
  assert.deepEqual(await verdict("I do not know, sorry"), ["incorrect", null]);
  assert.deepEqual(await verdict("Let us see, first", "C", "length"), ["truncated", null]);
  assert.deepEqual(await verdict("\\boxed{C}", "42"), ["unknown", null]);
  assert.deepEqual(await verdict("Answer: C", "C", "stop", strict), ["incorrect", null]);
  assert.deepEqual(await verdict("\\boxed{C}", "(C)", "stop", strict), ["correct", "C"]);
  assert.equal(multiple_choice.needsAnswer, true);
});
