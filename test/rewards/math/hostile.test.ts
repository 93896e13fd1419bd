import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "../../../src/core/random.ts";
import { VERDICTS } from "../../../src/core/trace.ts";
import { gradeMath } from "../../../src/rewards/math/index.ts";
import { extent } from "../../support/extent.ts";
import { costOf, tooLong } from "../../support/pace.ts";

/** Seconds. */
const LIMIT = 0.05;

/**
 * What an input costs. Other programs may crowd the processor: where the clock says that it took long, the best of a few runs
 * counts, by the time of the processor, which takes a tenth as long to ask for as most inputs do to grade.
 */
function cost(run: () => void): number {
  const begun = performance.now();
  run();
  let best = (performance.now() - begun) / 1000;
  if (best <= LIMIT) return best;
  best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 8 && best > LIMIT; i++) best = Math.min(best, costOf(run));
  return best;
}

function endures(completion: string, answer: string, profile?: "strict" | "lenient"): void {
  let verdict = "";
  const seconds = cost(() => {
    verdict = gradeMath({ completion, answer, ...(profile ? { profile } : {}) }).verdict;
  });
  const shown = `${completion.slice(0, 120)} (${completion.length} characters) v. ${answer.slice(0, 80)}`;
  assert.ok((VERDICTS as readonly string[]).includes(verdict), shown);
  assert.equal(tooLong(seconds, LIMIT), undefined, shown);
}

const PIECES = (
  "\\frac \\frac{ \\sqrt{ \\boxed{ \\left( \\right) \\begin{pmatrix} \\end{pmatrix} \\text{ \\\\ & { } ( ) [ ] \\{ \\} | || ! !! " +
  "^ ^{ _ _{ ^99999 ^{10^{10^{10}}} 9999999999 0.000000001 1e999 1e4000 10**10**10 200000! \\binom{99999}{500} , ; : = < > \\le \\ne \\in " +
  "\\pm \\mp + - * / \\cdot \\times \\cup \\cap x y e i \\pi \\infty sin cos ln log \\sum_{k=1}^{1000000} \\int \\lim \\mod % \\% $ $$ \\( \\) \\[ \\] " +
  "and or cm \\circ \\overline{3} 1/0 0^0 0/0 (-1)^{1/3} \\ln0 the answer is: final <answer> </answer> <think> </think> boxed{ " +
  "，。é 𝟙 ½ ² ∞ √ ≤ \u0000 \ud800 \u202e \u0301 ﷺ 一 2147483648 -0 .5 5. 1,234 1{,}234 f( |x| A) (B) True None ' \" ` __import__ \n \t"
).split(" ");

function randomSoup(random: Random): string {
  const count = 1 + random.below(40);
  let text = "";
  for (let i = 0; i < count; i++) {
    const kind = random.below(12);
    if (kind === 0) text += String.fromCharCode(random.below(0x10000));
    else if (kind === 1) text += `${random.below(10 ** (1 + random.below(9)))}`;
    else text += PIECES[random.below(PIECES.length)]! + (random.below(3) === 0 ? " " : "");
  }
  return random.below(4) === 0 ? `\\boxed{${text}}` : text;
}

const STRINGS = extent(5_000, 100_000);

test(`${STRINGS.toLocaleString("en")} hostile strings end in a verdict, each in time`, () => {
  const random = seededRandom(7);
  const references = ["42", "$\\frac{1}{2}$", "x^2+1", "(1,2)", "\\{1,2,3\\}", "x<5", "odd", "C", "\\sqrt{2}+\\pi"];
  let last = "1";
  for (let i = 0; i < STRINGS; i++) {
    const soup = randomSoup(random);
    endures(soup, i % 7 === 0 ? last : references[i % references.length]!, i % 3 === 0 ? "strict" : "lenient");
    last = soup;
  }
});

test("megabytes end in a verdict, each in time", () => {
  const times = (piece: string, characters = 1_000_000) => piece.repeat(Math.ceil(characters / piece.length));
  const pieces = [
    "\\boxed{",
    "\\boxed{1}",
    "\\boxed{1} and ",
    "\\boxed{1}\\boxed{2}",
    "{",
    "}",
    "(",
    "$",
    "$$",
    "\\(",
    "\\[",
    "$x$ and ",
    "the answer is ",
    "final answer is ",
    "answer: $",
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    "<|",
    "**",
    "9",
    "9,999",
    "1 000 ",
    "x",
    "a ",
    " ",
    "\n",
    "\\",
    "-",
    "1+",
    "^",
    "\\frac",
    "\\frac{1}{",
    "\\sqrt{",
    "|",
    "!",
    "=",
    "'",
    ".",
    "一",
    "é",
    "\u0000",
    "\ud83d\ude00",
    "1. ",
    "A ",
    "answer A",
    "答案",
    "%",
    "percent ",
    "0.",
    "\\text{",
    "\\begin{matrix}",
    "1&2\\\\",
  ];
  for (const piece of pieces)
    for (const [before, after] of [
      ["", ""],
      ["\\boxed{", "}"],
      ["The answer is ", "."],
      ["$", "$"],
      ["<answer>", "</answer>"],
    ] as const)
      endures(before + times(piece) + after, "42");
  for (const piece of pieces) endures("\\boxed{42}", times(piece));
});

test("what is too large to compute is not computed", () => {
  const towers = [
    "9^{9^{9^9}}",
    "10^{10^{100}}",
    "(x+1)^{100000}",
    "(x+y+z+w+1)^{40}",
    "((((x+y)^9+z)^9+w)^9+1)^9",
    "100000!",
    "2000!!!",
    "\\binom{2000000}{1000000}",
    "2^{24000}\\cdot3^{24000}\\cdot7^{10000}",
    "\\sum_{k=1}^{99999999} k^k",
    "\\prod_{k=1}^{100} (x+k)",
    `${"\\frac{1}{".repeat(40)}x${"+1}".repeat(40)}`,
    `${"\\sqrt{1+".repeat(45)}x${"}".repeat(45)}`,
    `${"9".repeat(1100)}^{${"9".repeat(20)}}`,
    `\\sqrt{${"9".repeat(1100)}}`,
    `\\sqrt[97]{${"7".repeat(1100)}}`,
    Array.from({ length: 300 }, (_, i) => `x_{${i}}`).join("+"),
    Array.from({ length: 300 }, (_, i) => `${i}`).join(", "),
    `\\{${Array.from({ length: 300 }, (_, i) => `\\sqrt{${i}}`).join(", ")}\\}`,
    `(${Array.from({ length: 60 }, (_, i) => `x_{${i}}`).join("+")})^{3}`,
  ];
  for (const a of towers) for (const b of towers) endures(`\\boxed{${a}}`, b);
  for (const a of towers.slice(0, 8))
    assert.notEqual(gradeMath({ completion: `\\boxed{${a}+1}`, answer: a }).verdict, "correct", a);
});

const FUNCTIONS = (
  "\\max \\min \\log \\ln \\sin \\arctan \\gcd \\lcm \\det \\deg \\exp \\Re \\lim \\sup \\operatorname{cis} \\operatorname{sgn} floor ceil abs sqrt " +
  "binom max min log sin gcd f g' h^{-1} \\Gamma \\log_2 \\sqrt \\sqrt[3] \\sqrt[] \\frac \\binom \\sum \\sum_{k=1} \\sum_{k=1}^{n} \\prod^n \\int_0^1 \\lim_{x\\to0} " +
  "\\overline \\vec \\mathbf \\text \\boxed \\pmod \\bmod \\choose \\over \\not \\begin{pmatrix} \\begin{cases} \\begin{array}{c} \\mathbb d/d \\partial"
).split(" ");
const PARTS = [
  ...[
    "",
    " ",
    "()",
    "( )",
    "{}",
    "{}{}",
    "{1}",
    "{}{2}",
    "(,)",
    "(1,)",
    "(;)",
    "(1,2)",
    "(1,2,3)",
    "[]",
    "[1,2)",
    "||",
    "|x|",
    "\\{\\}",
    "\\{x|\\}",
  ],
  ...[
    "\\{x\\in|x\\}",
    "\\{|x>1\\}",
    "_",
    "^",
    "_{}",
    "^{}",
    "^{-1}",
    "^{\\prime}",
    "'",
    "!",
    "!!",
    "\\%",
    "^\\circ",
    "\\text{ cm}",
    "\\text{}",
    " apples",
  ],
  ...[
    "=",
    "=1",
    "<",
    "<=x<",
    ":",
    "1:",
    ",",
    ", and",
    "or",
    "+",
    "-",
    "\\pm",
    "*",
    "/",
    "\\cup",
    "\\setminus",
    "\\in",
    "\\in\\mathbb{R}",
    "_8",
    "(2)_8",
  ],
  ...[
    "dx",
    "x",
    "12",
    "0.\\dot{3}",
    "0.(3)",
    "n",
    "\\infty",
    "i",
    "e",
    "\\pi",
    "$",
    "\\$",
    "€5",
    "for all x",
    "where",
    "not 5",
    "or so",
    "\\end{pmatrix}",
  ],
];

test("the grammar's own productions, with parts missing and empty, end in a verdict, as completion and as reference", () => {
  const grades = (completion: string, answer: string) => {
    const profile = completion.startsWith("\\boxed") ? "strict" : "lenient";
    const { verdict, reason } = gradeMath({ completion, answer, profile });
    assert.notEqual(verdict, "infra_error", `${completion} v. ${answer}: ${reason}`);
  };
  const random = seededRandom(11);
  for (const name of FUNCTIONS)
    for (const part of PARTS) {
      const text = `${name}${part}`;
      for (const other of ["42", `${name}(x)`]) grades(`\\boxed{${text}}`, other);
      grades(`So the answer is ${text}, which is what we wanted.`, "42");
      grades("\\boxed{42}", text);
    }
  for (let i = 0; i < 6_000; i++) {
    let text = "";
    const count = 1 + random.below(6);
    for (let k = 0; k < count; k++)
      text += `${random.below(2) ? FUNCTIONS[random.below(FUNCTIONS.length)]! : ""}${PARTS[random.below(PARTS.length)]!}`;
    const other = i % 3 === 0 ? text : `${text}${PARTS[random.below(PARTS.length)]!}`;
    grades(`\\boxed{${text}}`, other);
  }
});
