/** @file Where an expression changes its law: |u|, min, max and roots of squares do it where something passes zero. */

import { minus } from "../algebra/matrix.ts";
import { toNumber } from "../algebra/rational.ts";
import { print } from "../print.ts";
import { children, type Node, operation, symbols } from "../tree.ts";
import { evaluate, type Point } from "./evaluate.ts";

const MOST = 8;

/** An expression whose sign decides which law holds; what only stands under a root may be without a negative side. */
export type Kink = { of: Node; sided: boolean };

/** The kinks of some expressions, each once. */
export function kinksOf(nodes: readonly Node[]): Kink[] {
  const found = new Map<string, Kink>();
  const add = (of: Node, sided = true) => {
    if (symbols(of).size > 0 && found.size < MOST && !isNeverNegative(of))
      found.set(`${print(of)} ${sided}`, { of, sided });
  };
  const visit = (node: Node): void => {
    if (node.kind === "call" && (node.name === "abs" || node.name === "sgn")) add(node.args[0]);
    if (node.kind === "call" && (node.name === "min" || node.name === "max"))
      for (const [i, a] of node.args.entries())
        for (const b of node.args.slice(i + 1)) add(operation("+", a, minus(b)));
    const rooted = radicand(node);
    const squared = rooted && squareBase(rooted);
    if (squared) add(squared);
    else if (rooted && symbols(rooted).size === 1) add(rooted, false);
    children(node).forEach(visit);
  };
  nodes.forEach(visit);
  return [...found.values()];
}

/** What stands under an even root. */
function radicand(node: Node): Node | undefined {
  if (node.kind === "call" && node.name === "sqrt") return node.args[0];
  if (node.kind === "call" && node.name === "root") return isEven(node.args[1]) ? node.args[0] : undefined;
  if (node.kind !== "operation" || node.op !== "^") return undefined;
  const { right } = node;
  if (right.kind === "number" && right.value.d % 2n === 0n) return node.left;
  return right.kind === "operation" && right.op === "/" && isEven(right.right) ? node.left : undefined;
}

const isEven = (node: Node | undefined) => node?.kind === "number" && node.value.d === 1n && node.value.n % 2n === 0n;

const squareBase = (node: Node) =>
  node.kind === "operation" && node.op === "^" && isEven(node.right) ? node.left : undefined;

/** Whether an expression of real symbols cannot be below zero, as it is written. */
function isNeverNegative(node: Node): boolean {
  switch (node.kind) {
    case "number":
      return node.value.n >= 0n;
    case "symbol":
      return node.name === "pi" || node.name === "e";
    case "operation":
      if (node.op === "^") return isEven(node.right) || isNeverNegative(node.left);
      return isNeverNegative(node.left) && isNeverNegative(node.right);
    case "call":
      return ["abs", "norm", "sqrt", "exp", "factorial", "binom"].includes(node.name);
    default:
      return false;
  }
}

/** 0, and both signs of every size from a hundredth to a million. */
const GRID: readonly number[] = (() => {
  const sizes = Array.from({ length: 24 }, (_, i) => 0.01 * 2.2 ** i);
  return [...sizes.map((size) => -size).reverse(), 0, ...sizes];
})();

/** Where `kink` is zero along one symbol, the others as at the point. `hints` are numbers that its formula mentions. */
export function zerosAlong(kink: Node, name: string, point: Point, hints: readonly number[]): number[] {
  const values = new Map(point.symbols);
  const here: Point = { ...point, symbols: values, wide: false, complex: false };
  const at = (x: number): number => {
    values.set(name, x);
    const { re, im } = evaluate(kink, here);
    return im === 0 ? re : Number.NaN;
  };
  const near = hints.flatMap((hint) => [0.9 * hint - 0.1, hint, 1.1 * hint + 0.1]);
  const places = [...new Set([...GRID, ...near, ...near.map((x) => -x)])].sort((a, b) => a - b);
  const heights = places.map(at);
  const zeros: number[] = [];
  for (let i = 0; i < places.length; i++) {
    const [x, y] = [places[i]!, heights[i]!];
    if (y === 0) zeros.push(x);
    const [next, height] = [places[i + 1], heights[i + 1]];
    if (next === undefined || height === undefined) break;
    if (y * height < 0) zeros.push(bisected(at, x, next, y));
    else if (i > 0 && heights[i - 1]! * y > 0 && y * height > 0) {
      // A dip towards zero may touch it, or pass it twice.
      const [before, now, after] = [heights[i - 1]!, y, height].map(Math.abs) as [number, number, number];
      if (now <= before && now <= after) zeros.push(...dip(at, places[i - 1]!, next, Math.sign(y), now));
    }
  }
  return zeros.sort((a, b) => a - b).filter((x, i, all) => i === 0 || x - all[i - 1]! > 1e-7 * (1 + Math.abs(x)));
}

function bisected(at: (x: number) => number, from: number, to: number, start: number): number {
  let [low, high] = [from, to];
  for (let i = 0; i < 36; i++) {
    const middle = (low + high) / 2;
    if (at(middle) * start > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** The zeros inside a dip, found by narrowing to its lowest point. */
function dip(at: (x: number) => number, from: number, to: number, side: number, height: number): number[] {
  let [low, high] = [from, to];
  for (let i = 0; i < 40; i++) {
    const [a, b] = [low + (high - low) * 0.382, low + (high - low) * 0.618];
    const [u, v] = [at(a) * side, at(b) * side];
    if (u < 0) return [bisected(at, from, a, side), bisected(at, to, a, side)];
    if (v < 0) return [bisected(at, from, b, side), bisected(at, to, b, side)];
    if (u < v) high = b;
    else low = a;
  }
  const bottom = (low + high) / 2;
  return Math.abs(at(bottom)) < 1e-9 * height + 1e-12 ? [bottom] : [];
}

/** The sizes of the numbers in some trees, powers and products of numbers computed. */
export function constantsOf(nodes: readonly Node[], point: Point): number[] {
  const found = new Set<number>();
  const visit = (node: Node): void => {
    if (node.kind === "number") found.add(Math.abs(toNumber(node.value)));
    else if (node.kind === "operation" && symbols(node).size === 0) found.add(Math.abs(evaluate(node, point).re));
    children(node).forEach(visit);
  };
  nodes.forEach(visit);
  return [...found]
    .filter((x) => x > 1e-3 && x < 1e12)
    .sort((a, b) => b - a)
    .slice(0, 10);
}
