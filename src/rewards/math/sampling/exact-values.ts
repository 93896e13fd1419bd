/** @file The exact value of a tree at a point, where only arithmetic and exact functions stand between numbers. */

import { onRationals } from "../algebra/exact.ts";
import type { Rational } from "../algebra/rational.ts";
import * as Q from "../algebra/rational.ts";
import { Beyond } from "../limits.ts";
import type { Node } from "../tree.ts";
import type { Point } from "./evaluate.ts";

/** Whether two trees have one value at a point, where both are fractions there; undefined where one is not. */
export function agreeExactly(a: Node, b: Node, point: Point): boolean | undefined {
  const x = exactly(a, point);
  const y = x && exactly(b, point);
  return x && y && Q.equals(x, y);
}

/** The value as a fraction, where only arithmetic and exact functions stand between numbers. */
export function exactly(node: Node, point: Point): Rational | undefined {
  try {
    return rationalAt(node, point);
  } catch (error) {
    if (error instanceof RangeError || error instanceof Beyond) return undefined;
    throw error;
  }
}

function rationalAt(node: Node, point: Point): Rational | undefined {
  point.budget.spend(1);
  if (node.kind === "number") return node.value;
  if (node.kind === "symbol") {
    const value = point.symbols.get(node.name);
    if (value === undefined) return undefined;
    const scaled = value * 2 ** 20;
    return Number.isSafeInteger(scaled) ? Q.ratio(BigInt(scaled), 2n ** 20n) : undefined;
  }
  if (node.kind === "call") {
    const values = node.args.map((arg) => rationalAt(arg, point));
    if (!values.every((value) => value !== undefined)) return undefined;
    return onRationals(node.name, values, values.every(Q.isInteger));
  }
  if (node.kind !== "operation") return undefined;
  const [a, b] = [rationalAt(node.left, point), rationalAt(node.right, point)];
  if (!a || !b) return undefined;
  if (node.op === "+") return Q.add(a, b);
  if (node.op === "*") return Q.multiply(a, b);
  if (node.op === "/") return Q.divide(a, b);
  return Q.isInteger(b) && Q.abs(b).n <= 64n ? Q.power(a, Number(b.n / b.d)) : undefined;
}
