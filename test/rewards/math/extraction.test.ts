import assert from "node:assert/strict";
import { test } from "node:test";
import { GRADER_VERSION, gradeMath } from "../../../src/rewards/math/index.ts";

const lenient = (completion: string, answer = "42") => gradeMath({ completion, answer });
const strict = (completion: string, answer = "42") => gradeMath({ completion, answer, profile: "strict" });

test("a grade says what was extracted, how both sides were read, and by which rule and version", () => {
  assert.deepEqual(lenient("So it is \\boxed{\\frac{84}{2}}.", "$42$"), {
    verdict: "correct",
    extracted: "\\frac{84}{2}",
    reason: "the box equals the reference",
    prediction: "84/2",
    reference: "42",
    rule: "exact number",
    version: GRADER_VERSION,
  });
});

test("the last closed box counts, and those that a conjunction joins to it", () => {
  assert.equal(lenient("\\boxed{10} and then \\boxed{42}").verdict, "correct");
  assert.equal(lenient("\\boxed{42}, no: \\boxed{41}").verdict, "incorrect");
  assert.equal(lenient("\\boxed{1} papers and \\boxed{2} bins", "1,2").verdict, "correct");
  assert.equal(lenient("$\\boxed{2}$, $\\boxed{3}$ and $\\boxed{5}$", "2,3,5").verdict, "correct");
  assert.equal(lenient(`${"\\boxed{9} ".repeat(30)}\\boxed{42}`).extracted, "42");
  assert.equal(lenient("\\boxed{42} or \\boxed{41}").verdict, "incorrect");
  assert.equal(lenient("\\boxed{\\{42\\}}", "\\{42\\}").verdict, "correct");
});

test("a box that cannot be read is not searched for numbers", () => {
  assert.equal(lenient("It is 42. \\boxed{forty two or so 42}").verdict, "incorrect");
});

test("lenient reads the final answer, the answer, the last formula and the last number", () => {
  for (const completion of [
    "42",
    "Final Answer: The final answer is $42$. I hope it is correct.",
    "The answer is 42 because geometry proves it.",
    "First compute 6*7.\n42",
    "**Final Answer**: 42",
    "#### 42",
    "<answer>42</answer>",
    "Answer: \\(42\\)",
    "答案：42。",
    "réponse : 42",
    "Donc 6 * 7 = 42 en tout.",
    "So she needs 6x7=42 cups of feed for the rest.",
    "The three have 20 sheep + 22 sheep = 42 sheep",
    "In total he pays $20 + $22 = $42.",
    "He drove 60 miles - 18 miles = 42 miles.",
    "We get **42**.",
    "So the total is $42$ apples.",
  ])
    assert.equal(lenient(completion).verdict, "correct", completion);
});

test("lenient does not take a number out of a name, a pair or a program", () => {
  assert.equal(lenient("AZYUK42A").verdict, "incorrect");
  assert.equal(lenient("(0, 42)").verdict, "incorrect");
  assert.equal(lenient("__import__('os').system('touch x') or 42").verdict, "incorrect");
  assert.equal(lenient("eval('6*7') or 42").verdict, "incorrect");
});

test("strict demands a closed box or an answer block", () => {
  for (const completion of ["42", "The answer is 42", "\\boxed{42", "$42$", "<answer>42", ""]) {
    const { verdict, extracted } = strict(completion);
    assert.deepEqual([verdict, extracted], ["incorrect", null], completion);
  }
  assert.equal(strict("<think>6*7</think>\\boxed{42}").verdict, "correct");
  assert.equal(strict("<think>6*7</think><answer>42</answer>").verdict, "correct");
  assert.equal(strict("<think>6*7</think><answer>So \\boxed{42}.</answer>").verdict, "correct");
});

test("thoughts give no answer: strict reads only what follows them", () => {
  assert.equal(strict("<think>\\boxed{42}</think> I am not sure").extracted, null);
  assert.equal(strict("<think>\\boxed{42}").extracted, null);
  assert.equal(lenient("<think>\\boxed{42}</think> So \\boxed{43}").verdict, "incorrect");
});

test("a reference may be a whole solution; an empty or missing one is unknown", () => {
  assert.equal(lenient("\\boxed{42}", "We multiply: $6 \\cdot 7 = \\boxed{42}$.").verdict, "correct");
  assert.equal(lenient("\\boxed{42}", "She sells <<6*7=42>>42.\n#### 42").verdict, "correct");
  for (const answer of ["", "  ", "None"]) assert.equal(lenient("\\boxed{42}", answer).verdict, "unknown");
  assert.equal(lenient("", "").verdict, "unknown");
  assert.equal(lenient("").verdict, "incorrect");
});

test("letters of multiple choice are found in a box, after 'answer', first and last", () => {
  for (const completion of [
    "C",
    "(C)",
    "C. it can't be A or B",
    "I think the correct answer is C",
    "The answer is for sure C, it can't be A or B",
    "**Answer: C**",
    "\\boxed{\\text{(C)}}",
    "\\boxed{C) 12}",
    "A and B are wrong, so C",
  ])
    assert.equal(lenient(completion, "C").verdict, "correct", completion);
  assert.equal(lenient("The answer is (B).", "C").verdict, "incorrect");
  assert.equal(lenient("C", "The answer is\n(C) Cecile").verdict, "correct");
  assert.equal(lenient("C", "(A) Cecile").verdict, "incorrect");
  assert.equal(strict("I choose \\boxed{C}", "C").verdict, "correct");
});
