import assert from "node:assert/strict";
import { test } from "node:test";
import { type Formula, formulaOf } from "../../src/commands/review/formula.ts";
import { completionPieces, textPieces } from "../../src/commands/review/pieces.ts";

/** A formula on one line. */
const flat = ([tag, ...content]: Formula): string =>
  `${tag}(${content.map((part) => (typeof part === "string" ? part : flat(part))).join(" ")})`;

test("formulas become MathML", () => {
  for (const [latex, expected] of [
    ["\\frac{1}{2}", "math(mfrac(mn(1) mn(2)))"],
    ["x^2", "math(msup(mi(x) mn(2)))"],
    ["a_i^{2}", "math(msubsup(mi(a) mi(i) mn(2)))"],
    ["a^2_i", "math(msubsup(mi(a) mi(i) mn(2)))"],
    ["\\sqrt[3]{8}\\times 4", "math(mrow(mroot(mn(8) mn(3)) mo(×) mn(4)))"],
    ["\\text{per hour}", "math(mtext(perhour))"],
    ["\\boxed{12.5}", "math(menclose(mn(12.5)))"],
    ["\\unknown", "math(mtext(\\unknown))"],
  ] as const)
    assert.equal(flat(formulaOf(latex)!), expected, latex);
});

test("what is no formula, is too deep or too long stays text", () => {
  for (const text of ["{1", "\\frac{1}", "^", "{".repeat(100) + "}".repeat(100), "x".repeat(5000)])
    assert.equal(formulaOf(text), undefined, text.slice(0, 20));
});

test("text, code and formulas are told apart, money is no formula, and nothing is lost", () => {
  const kinds = (text: string) => textPieces(text).map(({ kind, text }) => `${kind} ${text}`);
  assert.deepEqual(kinds("So $x^2$ is\n```py\nprint(1)\n```\nand \\[1\\]."), [
    "text So ",
    "formula $x^2$",
    "text  is\n",
    "code print(1)\n",
    "text \nand ",
    "formula \\[1\\]",
    "text .",
  ]);
  assert.deepEqual(kinds("It costs $5 and $7."), ["text It costs $5 and $7."]);
  assert.deepEqual(kinds("$3.50, or $4"), ["text $3.50, or $4"]);
  assert.deepEqual(kinds("<b>\u001b[31m\u202e"), ["text <b>\\u001b[31m\\u202e"]);
});

test("reasoning is a piece of its own, also where its tag was prefilled", () => {
  const shape = (text: string) =>
    completionPieces(text).map((piece) =>
      piece.kind === "reasoning" ? `(${piece.pieces.map(({ text }) => text).join("")})` : piece.text,
    );
  assert.deepEqual(shape("<think>a</think>b"), ["(a)", "b"]);
  assert.deepEqual(shape("a</think>b"), ["(a)", "b"]);
  assert.deepEqual(shape("<think>cut"), ["<think>cut"]);
});
