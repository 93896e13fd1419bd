/** @file The value of a tree at a point: exact where arithmetic allows it, otherwise complex with a bound of its error. */

import type { Rational } from "../algebra/rational.ts";
import * as Q from "../algebra/rational.ts";
import type { Budget } from "../limits.ts";
import { measureOf } from "../reading/units.ts";
import { type Node, symbols } from "../tree.ts";
import { over, plus, power, present, real, size, times, UNDEFINED, type Value } from "./complex.ts";
import { exactly } from "./exact-values.ts";
import { functionValue } from "./functions.ts";

/** Where to evaluate: values of symbols, exact doubles. */
export type Point = {
  symbols: ReadonlyMap<string, number>;
  budget: Budget;
  /** Set once a root or logarithm of a negative number was taken. */
  complex: boolean;
  /** Set once a value left the range in which doubles add exactly enough. */
  wide: boolean;
};

/** Functions that jump, which double arithmetic may put on the wrong side. */
const EXACT = new Set([
  "floor",
  "ceil",
  "sgn",
  "mod",
  "gcd",
  "lcm",
  "abs",
  "min",
  "max",
  "factorial",
  "double factorial",
  "binom",
]);

/** The most terms of a sum or product. */
const TERMS = 60;

/** The value of an expression; NaN where it has none or the grader cannot compute it. */
export function evaluate(node: Node, point: Point): Value {
  const value = valueOfNode(node, point);
  const magnitude = size(value);
  if (magnitude > 1e8 || (magnitude < 1e-8 && magnitude > 16 * value.error)) point.wide = true;
  return value;
}

function valueOfNode(node: Node, point: Point): Value {
  point.budget.spend(1);
  const at = (child: Node) => evaluate(child, point);
  switch (node.kind) {
    case "number":
      return ofRational(node.value, point);
    case "symbol": {
      // The letter of a sum may be i.
      const value = point.symbols.get(node.name);
      if (value !== undefined) return real(value, 0);
      if (node.name === "i") return { re: 0, im: 1, error: 0 };
      if (node.name === "pi") return real(Math.PI);
      return node.name === "e" ? real(Math.E) : UNDEFINED;
    }
    case "percent":
      return times(at(node.value), real(0.01));
    case "quantity":
      if (node.unit === "degree") return times(at(node.value), real(Math.PI / 180));
      return measureOf(node.unit) ? UNDEFINED : at(node.value);
    case "operation":
      if (node.op === "+") return plus(at(node.left), at(node.right));
      if (node.op === "*") return times(at(node.left), at(node.right));
      if (node.op === "/") return over(at(node.left), at(node.right));
      return power(at(node.left), at(node.right), point);
    case "call": {
      if (node.name === "sum" || node.name === "prod") return series(node, point);
      if (isOfComplex(node)) return UNDEFINED;
      const exact = EXACT.has(node.name) ? exactly(node, point) : undefined;
      if (exact) return ofRational(exact, point);
      const [first, ...others] = node.args;
      return functionValue(node.name, [at(first), ...others.map(at)], point);
    }
    default:
      return UNDEFINED;
  }
}

/** Letters are taken for real numbers, but not where Re, Im or arg says that they are none, nor z and w in |z|. */
function isOfComplex(node: Node & { kind: "call" }): boolean {
  if (node.name === "Re" || node.name === "Im" || node.name === "arg") return symbols(node).size > 0;
  return node.name === "abs" && [...symbols(node)].some((name) => /^[zw](?:_|$)/.test(name));
}

function ofRational(value: Rational, point: Point): Value {
  // A double holds 53 bits of it.
  if (Q.bits(value.n) > 48 || Q.bits(value.d) > 48) point.wide = true;
  return present(value.d === 1n ? real(Q.toNumber(value), 0) : real(Q.toNumber(value)), value.n === 0n);
}

/** Σ and Π with bounds that are whole numbers at the point. */
function series(node: Node & { kind: "call" }, point: Point): Value {
  const [lower, upper, body] = node.args;
  const start = lower.kind === "call" && lower.name === "_" ? lower.args[0] : undefined;
  if (start?.kind !== "relation" || start.parts[0]!.kind !== "symbol" || upper?.kind !== "call" || !body)
    return UNDEFINED;
  const [first, last] = [evaluate(start.parts[1]!, point), evaluate(upper.args[0], point)];
  const terms = last.re - first.re + 1;
  if (![first, last].every(({ re, im, error }) => im === 0 && error === 0 && Number.isInteger(re))) return UNDEFINED;
  // An empty sum says nothing of its formula: n may start at 1.
  if (terms < 1 || terms > TERMS) return UNDEFINED;
  const values = new Map(point.symbols);
  const inner: Point = { ...point, symbols: values };
  let result = real(node.name === "sum" ? 0 : 1, 0);
  for (let k = first.re; k <= last.re; k++) {
    values.set(start.parts[0]!.name, k);
    const term = evaluate(body, inner);
    result = node.name === "sum" ? plus(result, term) : times(result, term);
  }
  point.complex ||= inner.complex;
  point.wide ||= inner.wide;
  return result;
}
