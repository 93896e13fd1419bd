import assert from "node:assert/strict";
import { test } from "node:test";
import { gradeMath } from "../../../src/rewards/math/index.ts";

/** [reference, completion] */
type Pair = readonly [string, string];

const check = (pairs: readonly Pair[], verdict: "correct" | "incorrect") => {
  for (const [answer, completion] of pairs) {
    const grade = gradeMath({ completion, answer });
    assert.equal(
      grade.verdict,
      verdict,
      `${completion} v. ${answer}: read as ${grade.prediction} and ${grade.reference}`,
    );
  }
};
const equal = (...pairs: Pair[]) => check(pairs, "correct");
const different = (...pairs: Pair[]) => check(pairs, "incorrect");

test("numbers are compared exactly, however they are grouped and signed", () => {
  equal(
    ["1000000", "1,000,000"],
    ["5000", "5 000"],
    ["32349", "32,\\! 349"],
    ["1234.5", "1\\,234.5"],
    ["-3", "−3"],
    ["7", "+7"],
  );
  equal(["0.5", ".5"], ["1500", "1.5e3"], ["300000", "$3 \\times 10^5$"], ["5000000", "5 million"], ["4", "004"]);
  different(
    ["12", "-12"],
    ["10^{100}", "10^{100}+1"],
    ["100000000001", "100000000000"],
    ["1/2004!", "1/2006!"],
    ["1/2^99", "1/2^98"],
  );
});

test("fractions may be written in any way, mixed and repeating ones too", () => {
  equal(
    ["1/3", "$\\frac13$"],
    ["1/72", "$\\frac1{72}$"],
    ["1/3", "\\dfrac{1}{3}"],
    ["3/2", "1 1/2"],
    ["3/2", "1\\frac12"],
    ["1.5", "1½"],
  );
  equal(["1/3", "$0.\\overline{3}$"], ["1/6", "$0.1\\overline{6}$"], ["-\\frac12", "\\frac{1}{-2}"]);
  different(["0.3", "$0.\\overline{3}$"], ["$1\\sqrt{19}$", "1"]);
});

test("a decimal is the rounding of another number only with six digits or more", () => {
  equal(
    ["1/3", "0.333333"],
    ["\\sqrt5", "2.236068"],
    ["\\sqrt{17}", "4.123105625617661"],
    ["0.3", "0.30000000000000004"],
  );
  equal(["1/432", "2.314814814815 \\times 10^{-3}"], ["\\sin(30^\\circ)", "0.5"]);
  different(
    ["1/3", "0.3333"],
    ["\\pi", "3.14"],
    ["5", "5.001"],
    ["1", "1.0001"],
    ["0.1", "0.10000001"],
    ["0.066793", "0.067"],
  );
});

test("percent is a hundredth", () => {
  equal(
    ["28\\%", "28 percent"],
    ["28\\%", "0.28"],
    ["28\\%", "$\\boxed{28}$ pct"],
    ["0.005", "\\frac12\\text{ percent}"],
  );
  different(["10", "10\\%"], ["50", "0.5"], ["20", "The answer is 20%"]);
});

test("roots, powers, logarithms and functions have their values", () => {
  equal(
    ["2\\sqrt3", "\\sqrt{12}"],
    ["1+\\sqrt2", "\\sqrt{3+2\\sqrt2}"],
    ["\\frac{\\sqrt2}{2}", "1/sqrt(2)"],
    ["2\\sqrt[3]{2}", "\\sqrt[3]{16}"],
  );
  equal(
    ["3", "\\log_2 8"],
    ["2", "\\ln(e^2)"],
    ["-1", "e^{i\\pi}"],
    ["120", "5!"],
    ["6", "\\gcd(12, 18)"],
    ["2", "17 \\bmod 5"],
  );
  equal(
    ["55", "\\sum_{k=1}^{10} k"],
    ["i", "\\frac{1+i}{1-i}"],
    ["2**(1/4)", "\\sqrt{\\sqrt2}"],
    ["3", "\\lfloor 3.7 \\rfloor"],
  );
  different(["1-\\frac1e", "1+\\frac{1}{\\mathrm{e}}"], ["4", "4\\sqrt(2)"], ["3+4i", "3-4i"]);
});

test("expressions are equal where they agree for all values", () => {
  equal(
    ["x^2-1", "(x-1)(x+1)"],
    ["\\frac{x+2}{7}", "\\frac x7+\\frac27"],
    ["4^n", "2^{2n}"],
    ["1", "\\sin^2 x+\\cos^2 x"],
    ["n!", "n(n-1)!"],
  );
  equal(
    ["\\binom n2", "\\frac{n(n-1)}2"],
    ["|x-2|", "|2-x|"],
    ["\\sqrt{1/n}", "1/\\sqrt n"],
    ["\\sec x", "\\frac1{\\cos x}"],
  );
  different(
    ["x+2n+1", "x+1"],
    ["\\sqrt{x^2}", "x"],
    ["2x", "2"],
    ["3m", "3"],
    ["f(x)", "f(y)"],
    ["x^2-1", "(x-1)(x+2)"],
  );
});

test("bare lists and sets have no order, tuples and brackets do", () => {
  equal(
    ["1,2,3", "3, 1 and 2"],
    ["\\{1,2,3\\}", "1, 3, 2"],
    ["\\{2,2,3\\}", "\\{2,3\\}"],
    ["\\{1,3\\} \\cup \\{2\\}", "\\{1,2,3\\}"],
  );
  equal(["(2,1),(1,2)", "(1,2) and (2,1)"], ["(0;1)", "(0,1)"], ["(p,q)=(3,2)", "(3,2)"]);
  different(
    ["(1,2)", "(2,1)"],
    ["[1,2]", "(1,2)"],
    ["2,2,3", "2,3"],
    ["n=1,2,3", "n=2,3,4"],
    ["1728", "1331 and 1728"],
    ["2", "[0]"],
  );
});

test("values keep the names they are given, in rounds", () => {
  equal(
    ["x=-5, p=\\frac{14}3", "-5, \\frac{14}3"],
    ["k=45, n=2", "n=2, k=45"],
    ["p=5,q=2 \\text{ and } p=7,q=3", "p=5,q=2;p=7,q=3"],
  );
  different(["p=5,q=2;p=7,q=3", "p=5,q=3;p=7,q=2"], ["x=1", "y=1"]);
});

test("intervals, unions and inequalities say the same in both notations", () => {
  equal(
    ["(-\\infty,3]", "x \\le 3"],
    ["-793 < a < 10", "(-793, 10)"],
    ["x<1 \\text{ or } x>2", "(-\\infty,1)\\cup(2,\\infty)"],
  );
  equal(
    ["x<1", "-x>-1"],
    ["1<x<3", "3>x>1"],
    ["(1,2)\\cup(3,4)", "(3,4)\\cup(1,2)"],
    ["\\mathbb{R}", "(-\\infty,\\infty)"],
    ["(1,2)", "x \\in (1,2)"],
  );
  different(["[0,9)", "[0,1)"], ["x \\ge 5", "x > 5"], ["x \\ge 5", "x \\le 5"], ["[1,2)", "[x,y)"]);
});

test("equations are equal up to a factor, and an equation for a name gives its value", () => {
  equal(
    ["2x+4y-3=0", "y=-\\frac12x+\\frac34"],
    ["x=2", "2=x"],
    ["1", "k=1"],
    ["|AB|=1", "1"],
    ["11", "x = 5+5+1 = 11"],
  );
  equal(
    ["f(x)=x^2", "f(t)=t^2"],
    ["f^{-1}(x)=x-1", "x-1"],
    ["\\frac{NO}{BO}=\\frac12", "1/2"],
    ["3", "\\begin{vmatrix}2&1\\\\1&2\\end{vmatrix}=3"],
    ["11", "x \\approx 11"],
  );
  different(["a^2+b=0", "0"], ["1", "2x+z=1"], ["3x+4y+14=0", "3x-y+13=0"], ["f(x)=0", "\\forall x>0, f(x)>0"]);
});

test("plus-minus means both values", () => {
  equal(["3\\pm\\sqrt2", "3-\\sqrt2, 3+\\sqrt2"], ["x=\\pm2", "x=2 \\text{ or } x=-2"]);
  different(["\\pm2021", "2021"], ["2", "\\pm2"]);
});

test("matrices are compared by entry, whatever their brackets, and multiplied out", () => {
  equal(
    ["\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{bmatrix}1\\\\2\\end{bmatrix}"],
    ["\\begin{pmatrix}5&0\\\\0&5\\end{pmatrix}", "5\\begin{pmatrix}1&0\\\\0&1\\end{pmatrix}"],
    [
      "\\begin{pmatrix}2&1\\\\1&0\\end{pmatrix}",
      "\\begin{pmatrix}1&1\\\\1&0\\end{pmatrix}\\begin{pmatrix}1&0\\\\1&1\\end{pmatrix}",
    ],
  );
  const shear = "\\begin{pmatrix}1&2\\\\0&1\\end{pmatrix}";
  equal(
    [`${shear}^2`, "\\begin{pmatrix}1&4\\\\0&1\\end{pmatrix}"],
    [`${shear}^{-1}`, "\\begin{pmatrix}1&-2\\\\0&1\\end{pmatrix}"],
  );
  equal([`${shear}^T`, "\\begin{bmatrix}1&0\\\\2&1\\end{bmatrix}"], ["1", `\\det ${shear}`]);
  different(["\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}2&1\\end{pmatrix}"]);
});

test("units are left out where one side has none, and converted where both have one", () => {
  equal(
    ["10\\text{ cm}^{2}", "10"],
    ["5", "5 apples"],
    ["3", "3s"],
    ["90^\\circ", "90 degrees"],
    ["\\$10", "10 dollars"],
    ["1 m", "100 cm"],
  );
  equal(["2 hours", "120 minutes"], ["10", "10\\text{ km/h}"], ["1000.99", "it is 1,000.99 €"]);
  different(["10 m", "10 cm"], ["10 dollars", "10 cents"], ["10 kg", "10 cm"]);
});

test("numbers in a base, ratios and times are their own kinds", () => {
  equal(["204_5", "204_{5}"], ["3:4", "6:8"], ["20:34", "20:34:00"]);
  different(["204_5", "204"], ["204_5", "204_6"], ["2:3", "3:2"], ["12:00", "1:00"]);
});

test("words are compared as words", () => {
  equal(
    ["odd", "\\boxed{\\text{Odd}}"],
    ["Tuesday", "The answer is Tuesday."],
    ["June 5", "The answer is June 5."],
    ["5", "five"],
  );
  different(["\\frac{1}{23}", "\\frac{12}{3}"], ["\\boxed{1}\\boxed{2}", "12"], ["D", "D = (0, 1)"]);
  different(["odd", "\\text{oddd}"], ["odd $n$", "even $n$"], ["June 5", "The answer is July 5."], ["yes", "No"]);
});
