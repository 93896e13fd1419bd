import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "../../../src/core/random.ts";
import { gradeMath } from "../../../src/rewards/math/index.ts";
import { extent } from "../../support/extent.ts";

/** Expressions with the value they have, so that a changed number can be known to change it. */
type Tree =
  | { op: "number"; value: number }
  | { op: "symbol"; name: string }
  | { op: "+" | "-" | "*" | "/"; left: Tree; right: Tree }
  | { op: "power"; base: Tree; exponent: number }
  | { op: "sqrt"; of: number };

const SYMBOLS = ["x", "y", "n"];

function randomTree(random: Random, depth: number): Tree {
  const kind = depth === 0 ? random.below(3) : random.below(9);
  if (kind === 0) return { op: "symbol", name: SYMBOLS[random.below(3)]! };
  if (kind === 1) return { op: "sqrt", of: [2, 3, 5, 6, 7, 8, 12, 18][random.below(8)]! };
  if (kind === 2) return { op: "number", value: 1 + random.below(40) };
  const left = randomTree(random, depth - 1);
  if (kind === 3) return { op: "power", base: left, exponent: 2 + random.below(2) };
  if (kind === 4) return { op: "/", left, right: { op: "number", value: 2 + random.below(11) } };
  return { op: (["+", "-", "*", "+"] as const)[kind - 5]!, left, right: randomTree(random, depth - 1) };
}

/** The tree rewritten by identities that hold for all real numbers. */
function rewritten(tree: Tree, random: Random): Tree {
  if (!("left" in tree) && tree.op !== "power") return rewrittenLeaf(tree, random);
  if (tree.op === "power") {
    const base = rewritten(tree.base, random);
    if (random.below(2)) return { ...tree, base };
    let product: Tree = base;
    for (let i = 1; i < tree.exponent; i++) product = { op: "*", left: product, right: base };
    return product;
  }
  const [left, right] = [rewritten(tree.left, random), rewritten(tree.right, random)];
  const choice = random.below(4);
  if (tree.op === "+" || tree.op === "*") {
    if (choice === 0) return { op: tree.op, left: right, right: left };
    // a(b ± c) = ab ± ac
    if (tree.op === "*" && choice === 1 && (right.op === "+" || right.op === "-"))
      return {
        op: right.op,
        left: { op: "*", left, right: right.left },
        right: { op: "*", left, right: right.right },
      };
  }
  // a − b = −(b − a), a/c = a·(1/c)
  if (tree.op === "-" && choice === 0)
    return { op: "*", left: { op: "number", value: -1 }, right: { op: "-", left: right, right: left } };
  if (tree.op === "/" && choice === 0)
    return { op: "*", left, right: { op: "/", left: { op: "number", value: 1 }, right } };
  return { op: tree.op, left, right };
}

function rewrittenLeaf(tree: Tree, random: Random): Tree {
  if (tree.op === "number" && random.below(3) === 0) {
    const part = random.below(tree.value + 1);
    return { op: "+", left: { op: "number", value: tree.value - part }, right: { op: "number", value: part } };
  }
  const square = tree.op === "sqrt" ? [9, 4].find((k) => tree.of % k === 0) : undefined;
  // √(k²m) = k√m
  if (tree.op === "sqrt" && square && random.below(2))
    return { op: "*", left: { op: "number", value: Math.sqrt(square) }, right: { op: "sqrt", of: tree.of / square } };
  return tree;
}

/** The tree with one of its numbers increased. */
function changed(tree: Tree, random: Random): Tree {
  const numbers = countNumbers(tree);
  let target = random.below(numbers);
  const visit = (node: Tree): Tree => {
    if (node.op === "number") return target-- === 0 ? { ...node, value: node.value + 1 + random.below(3) } : node;
    if (node.op === "power") return { ...node, base: visit(node.base) };
    return "left" in node ? { ...node, left: visit(node.left), right: visit(node.right) } : node;
  };
  return visit(tree);
}

const countNumbers = (tree: Tree): number =>
  tree.op === "number"
    ? 1
    : tree.op === "power"
      ? countNumbers(tree.base)
      : "left" in tree
        ? countNumbers(tree.left) + countNumbers(tree.right)
        : 0;

function valueAt(tree: Tree, point: Record<string, number>): number {
  switch (tree.op) {
    case "number":
      return tree.value;
    case "symbol":
      return point[tree.name]!;
    case "sqrt":
      return Math.sqrt(tree.of);
    case "power":
      return valueAt(tree.base, point) ** tree.exponent;
    case "+":
      return valueAt(tree.left, point) + valueAt(tree.right, point);
    case "-":
      return valueAt(tree.left, point) - valueAt(tree.right, point);
    case "*":
      return valueAt(tree.left, point) * valueAt(tree.right, point);
    case "/":
      return valueAt(tree.left, point) / valueAt(tree.right, point);
  }
}

/** LaTeX or plain notation, with spellings drawn at random. */
function written(tree: Tree, random: Random, latex: boolean): string {
  const inner = (node: Tree) => {
    const text = written(node, random, latex);
    if (node.op === "number" && node.value >= 0) return text;
    if (node.op === "symbol" || node.op === "sqrt") return text;
    return latex && random.below(2) ? `\\left(${text}\\right)` : `(${text})`;
  };
  switch (tree.op) {
    case "number":
      return `${tree.value}`;
    case "symbol":
      return tree.name;
    case "sqrt":
      return latex ? `\\sqrt{${tree.of}}` : `sqrt(${tree.of})`;
    case "power":
      return latex
        ? `${inner(tree.base)}^{${tree.exponent}}`
        : `${inner(tree.base)}${random.below(2) ? "^" : "**"}${tree.exponent}`;
    case "/":
      return latex
        ? `\\frac{${written(tree.left, random, latex)}}{${written(tree.right, random, latex)}}`
        : `${inner(tree.left)}/${inner(tree.right)}`;
    case "*":
      return `${inner(tree.left)}${latex ? [" \\cdot ", " \\times "][random.below(2)] : "*"}${inner(tree.right)}`;
    default:
      return `${inner(tree.left)} ${tree.op} ${inner(tree.right)}`;
  }
}

const PAIRS = extent(2500, 10_000);

test(`true identities keep an answer correct, and one changed number makes it wrong: ${PAIRS.toLocaleString("en")} pairs`, () => {
  const random = seededRandom(20);
  let pairs = 0;
  let kept = 0;
  while (pairs < PAIRS) {
    const tree = randomTree(random, 1 + random.below(3));
    const answer = `$${written(tree, random, true)}$`;
    const same = rewritten(tree, random);
    const good = gradeMath({ completion: `\\boxed{${written(same, random, true)}}`, answer, profile: "strict" });
    assert.equal(good.verdict, "correct", `${answer} v. ${good.extracted} (${good.rule})`);
    if (kept++ % 4 === 0) {
      const plain = gradeMath({ completion: written(same, random, false), answer });
      assert.equal(plain.verdict, "correct", `${answer} v. ${plain.extracted} (${plain.rule})`);
    }
    if (countNumbers(same) === 0) continue;
    const other = changed(same, random);
    // A factor of zero may hide the change: doubles tell, far from their precision.
    const differs = [1, 2, 3].some((k) => {
      const point = { x: 0.7 * k, y: 1.3 + k, n: 2.1 / k };
      const [a, b] = [valueAt(tree, point), valueAt(other, point)];
      return Math.abs(a - b) > 1e-6 * Math.max(Math.abs(a), Math.abs(b));
    });
    if (!differs) continue;
    pairs++;
    const bad = gradeMath({ completion: `\\boxed{${written(other, random, true)}}`, answer, profile: "strict" });
    assert.notEqual(bad.verdict, "correct", `${answer} v. ${bad.extracted} (${bad.rule})`);
  }
  assert.ok(kept >= pairs);
});

test("exact numbers that differ in their last digit differ, however long they are", () => {
  const random = seededRandom(21);
  for (let i = 0; i < 200; i++) {
    const digits = Array.from({ length: 18 + random.below(60) }, () => random.below(10)).join("");
    const [whole, next] = [`1${digits}1`, `1${digits}2`];
    assert.equal(gradeMath({ completion: `\\boxed{${whole}}`, answer: whole }).verdict, "correct");
    assert.equal(gradeMath({ completion: `\\boxed{${next}}`, answer: whole }).verdict, "incorrect");
    assert.equal(gradeMath({ completion: `\\boxed{\\frac{1}{${next}}}`, answer: `1/${whole}` }).verdict, "incorrect");
    assert.equal(
      gradeMath({ completion: `\\boxed{\\sqrt{${next}}}`, answer: `\\sqrt{${whole}}` }).verdict,
      "incorrect",
    );
    assert.equal(gradeMath({ completion: `\\boxed{\\ln ${next}}`, answer: `\\ln ${whole}` }).verdict, "incorrect");
    assert.equal(gradeMath({ completion: `\\boxed{x = ${next}}`, answer: `x = ${whole}` }).verdict, "incorrect");
    assert.equal(gradeMath({ completion: `\\boxed{x < ${next}}`, answer: `x < ${whole}` }).verdict, "incorrect");
    assert.equal(
      gradeMath({ completion: `\\boxed{\\sin(1.0${next})}`, answer: `\\sin(1.0${whole})` }).verdict,
      "incorrect",
    );
    assert.equal(gradeMath({ completion: `\\boxed{${whole}\\pi x}`, answer: `${next}\\pi x` }).verdict, "incorrect");
  }
});
