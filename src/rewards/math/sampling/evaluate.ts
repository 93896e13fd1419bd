/** @file The value of a tree at a point, complex, with a bound of its rounding error. */

import { bits, toNumber } from "../algebra/rational.ts";
import type { Budget } from "../limits.ts";
import type { Node } from "../tree.ts";

/** A complex number whose true value lies within `error` of it. */
export type Value = { re: number; im: number; error: number };

/** Where to evaluate: values of symbols, and of user functions by name. */
export type Point = {
  symbols: ReadonlyMap<string, number>;
  budget: Budget;
  /** Set once a root or logarithm of a negative number was taken. */
  complex: boolean;
  /** Set once a value left the range in which doubles add exactly enough. */
  wide: boolean;
};

const EPSILON = 2 ** -52;

const UNDEFINED: Value = { re: Number.NaN, im: 0, error: 0 };

const real = (re: number, error = Math.abs(re) * EPSILON): Value => ({ re, im: 0, error });
export const size = ({ re, im }: Value) => Math.hypot(re, im);
const rounded = (re: number, im: number, error: number): Value => ({
  re,
  im,
  error: error + 2 * EPSILON * Math.hypot(re, im),
});

/** What underflows is lost, not zero. */
const present = (value: Value, exact: boolean): Value =>
  exact || Math.abs(value.re) > 1e-280 || Math.abs(value.im) > 1e-280 ? value : UNDEFINED;
const isZero = (a: Value) => a.re === 0 && a.im === 0;

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
      // A double holds 53 bits of it.
      if (bits(node.value.n) > 48 || bits(node.value.d) > 48) point.wide = true;
      return present(
        node.value.d === 1n ? real(toNumber(node.value), 0) : real(toNumber(node.value)),
        node.value.n === 0n,
      );
    case "symbol": {
      if (node.name === "i") return { re: 0, im: 1, error: 0 };
      if (node.name === "pi") return real(Math.PI);
      if (node.name === "e") return real(Math.E);
      const value = point.symbols.get(node.name);
      return value === undefined ? UNDEFINED : real(value, 0);
    }
    case "percent":
      return times(at(node.value), real(0.01));
    case "quantity":
      return node.unit === "degree" ? times(at(node.value), real(Math.PI / 180)) : at(node.value);
    case "operation":
      if (node.op === "+") return plus(at(node.left), at(node.right));
      if (node.op === "*") return times(at(node.left), at(node.right));
      if (node.op === "/") return over(at(node.left), at(node.right));
      return power(at(node.left), at(node.right), point);
    case "call":
      return apply(node.name, node.args, point, at);
    default:
      return UNDEFINED;
  }
}

const plus = (a: Value, b: Value) => rounded(a.re + b.re, a.im + b.im, a.error + b.error);
const minus = (a: Value, b: Value) => rounded(a.re - b.re, a.im - b.im, a.error + b.error);
const times = (a: Value, b: Value) =>
  present(
    rounded(
      a.re * b.re - a.im * b.im,
      a.re * b.im + a.im * b.re,
      size(a) * b.error + size(b) * a.error + a.error * b.error,
    ),
    isZero(a) || isZero(b),
  );

function over(a: Value, b: Value): Value {
  const square = b.re * b.re + b.im * b.im;
  const distance = Math.sqrt(square);
  // A divisor that may be zero has no quotient.
  if (!(distance > 4 * b.error)) return UNDEFINED;
  const value = rounded(
    (a.re * b.re + a.im * b.im) / square,
    (a.im * b.re - a.re * b.im) / square,
    (a.error + (size(a) / distance) * b.error) / (distance - b.error),
  );
  return present(value, isZero(a));
}

function power(a: Value, b: Value, point: Point): Value {
  const distance = size(a);
  if (b.im === 0 && Number.isInteger(b.re) && Math.abs(b.re) <= 64) {
    let result: Value = { re: 1, im: 0, error: 0 };
    for (let k = 0; k < Math.abs(b.re); k++) result = times(result, a);
    return b.re < 0 ? over({ re: 1, im: 0, error: 0 }, result) : result;
  }
  if (distance <= 4 * a.error) return distance === 0 && b.re > 0 ? { re: 0, im: 0, error: a.error } : UNDEFINED;
  if (a.im === 0 && a.re > 0 && b.im === 0) {
    const value = a.re ** b.re;
    return present(
      rounded(value, 0, Math.abs(value) * (Math.abs(b.re) * (a.error / a.re) + Math.abs(Math.log(a.re)) * b.error)),
      false,
    );
  }
  if (a.im === 0) point.complex = true;
  return exponential(times(b, logarithm(a)));
}

function logarithm(a: Value): Value {
  const distance = size(a);
  return rounded(Math.log(distance), argument(a), a.error / distance + EPSILON);
}

/** In (−π, π]; a tiny imaginary part is rounding. */
const argument = (a: Value) => Math.atan2(Math.abs(a.im) <= a.error ? 0 : a.im, a.re);

function exponential(a: Value): Value {
  const scale = Math.exp(a.re);
  return present(
    rounded(scale * Math.cos(a.im), scale * Math.sin(a.im), scale * (a.error + EPSILON * (1 + size(a)))),
    false,
  );
}

/** Real functions, each with its derivative and where it is defined. */
const REAL: Readonly<Record<string, [(x: number) => number, (x: number) => number]>> = {
  sin: [Math.sin, Math.cos],
  cos: [Math.cos, Math.sin],
  tan: [Math.tan, (x) => 1 + Math.tan(x) ** 2],
  arcsin: [Math.asin, (x) => 1 / Math.sqrt(1 - x * x)],
  arccos: [Math.acos, (x) => 1 / Math.sqrt(1 - x * x)],
  arctan: [Math.atan, (x) => 1 / (1 + x * x)],
  arccot: [(x) => Math.PI / 2 - Math.atan(x), (x) => 1 / (1 + x * x)],
  arcsec: [(x) => Math.acos(1 / x), (x) => 1 / (x * Math.sqrt(x * x - 1))],
  arccsc: [(x) => Math.asin(1 / x), (x) => 1 / (x * Math.sqrt(x * x - 1))],
  sinh: [Math.sinh, Math.cosh],
  cosh: [Math.cosh, Math.sinh],
  tanh: [Math.tanh, () => 1],
  coth: [(x) => 1 / Math.tanh(x), (x) => 1 / Math.sinh(x) ** 2],
  sech: [(x) => 1 / Math.cosh(x), () => 1],
  csch: [(x) => 1 / Math.sinh(x), (x) => Math.cosh(x) / Math.sinh(x) ** 2],
  arcsinh: [Math.asinh, () => 1],
  arccosh: [Math.acosh, (x) => 1 / Math.sqrt(x * x - 1)],
  arctanh: [Math.atanh, (x) => 1 / (1 - x * x)],
};

function apply(name: string, args: readonly Node[], point: Point, at: (node: Node) => Value): Value {
  const x = at(args.at(-1)!);
  const known = REAL[name];
  if (known) {
    if (x.im !== 0) return UNDEFINED;
    const value = known[0](x.re);
    const slope = x.error === 0 ? 0 : (Math.abs(known[1](x.re)) + Math.abs(value) * x.error) * x.error;
    return { re: value, im: 0, error: 4 * EPSILON * Math.abs(value) + slope };
  }
  switch (name) {
    case "sqrt":
      return power(x, real(0.5, 0), point);
    case "root":
      return root(at(args[0]!), x, point);
    case "exp":
      return exponential(x);
    case "ln":
      return naturalLogarithm(x, point);
    case "log":
      return over(naturalLogarithm(x, point), real(Math.LN10));
    case "log base":
      return over(naturalLogarithm(x, point), naturalLogarithm(at(args[0]!), point));
    case "sec":
      return over(real(1, 0), apply("cos", args, point, at));
    case "csc":
      return over(real(1, 0), apply("sin", args, point, at));
    case "cot":
      return over(apply("cos", args, point, at), apply("sin", args, point, at));
    case "abs":
      return real(size(x), x.error);
    case "floor":
      return step(x, Math.floor);
    case "ceil":
      return step(x, Math.ceil);
    case "sgn":
      return Math.abs(x.re) > x.error && x.im === 0 ? real(Math.sign(x.re), 0) : UNDEFINED;
    case "factorial":
      return x.im === 0 && x.error < 1e-9 ? real(factorial(x.re)) : UNDEFINED;
    case "binom": {
      const n = at(args[0]!);
      return n.im === 0 && x.im === 0 ? real(factorial(n.re) / (factorial(x.re) * factorial(n.re - x.re))) : UNDEFINED;
    }
    case "min":
    case "max": {
      const values = args.map(at);
      if (values.some((value) => value.im !== 0)) return UNDEFINED;
      const chosen = values.reduce((a, b) => (a.re < b.re === (name === "min") ? a : b));
      return { ...chosen, error: Math.max(...values.map((value) => value.error)) };
    }
  }
  return UNDEFINED;
}

function root(x: Value, degree: Value, point: Point): Value {
  if (x.im === 0 && x.re < 0 && Math.abs(degree.re) % 2 === 1) {
    const value = power({ ...x, re: -x.re }, over(real(1, 0), degree), point);
    return { ...value, re: -value.re };
  }
  return power(x, over(real(1, 0), degree), point);
}

function naturalLogarithm(x: Value, point: Point): Value {
  if (size(x) <= 4 * x.error) return UNDEFINED;
  if (x.im === 0 && x.re < 0) point.complex = true;
  return logarithm(x);
}

/** A step is known only where the argument is clear of the next one. */
function step(x: Value, f: (x: number) => number): Value {
  const near = Math.abs(x.re - Math.round(x.re)) <= 8 * x.error && x.error > 0;
  return x.im === 0 && !near ? real(f(x.re), 0) : UNDEFINED;
}

/** n! for whole n to 170. */
function factorial(n: number): number {
  if (!Number.isInteger(n) || n < 0 || n > 170) return Number.NaN;
  let result = 1;
  for (let k = 2; k <= n; k++) result *= k;
  return result;
}

/** Whether two values are the same within their errors; undefined where that cannot be told. */
export function agree(a: Value, b: Value): boolean | undefined {
  const magnitude = Math.max(size(a), size(b));
  const error = a.error + b.error;
  if (!Number.isFinite(magnitude) || !Number.isFinite(error)) return undefined;
  const apart = size(minus(a, b));
  if (apart > 8 * error + Number.MIN_VALUE) return apart > 64 * error ? false : undefined;
  // Values whose error is large beside them agree with anything.
  return error <= 1e-7 * magnitude || (magnitude <= 8 * error && error < 1e-11) ? true : undefined;
}
