/** @file The functions that the grader has values of. */

import {
  EPSILON,
  exponential,
  logarithm,
  over,
  plus,
  power,
  real,
  size,
  type Trail,
  times,
  UNDEFINED,
  type Value,
} from "./complex.ts";

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

/** The value of a function; of several arguments, the last is what it is applied to. */
export function functionValue(name: string, args: readonly [Value, ...Value[]], trail: Trail): Value {
  const x = args.at(-1)!;
  const known = REAL[name];
  if (known) {
    if (x.im !== 0) return UNDEFINED;
    const value = known[0](x.re);
    const slope = x.error === 0 ? 0 : (Math.abs(known[1](x.re)) + Math.abs(value) * x.error) * x.error;
    return { re: value, im: 0, error: 4 * EPSILON * Math.abs(value) + slope };
  }
  switch (name) {
    case "sqrt":
      return root(x, real(2, 0), trail);
    case "root":
      return root(args[0], x, trail);
    case "exp":
      return exponential(x);
    case "ln":
      return naturalLogarithm(x, trail);
    case "log":
      return logarithmTo(real(10, 0), x, trail);
    case "log base":
      return logarithmTo(args[0], x, trail);
    case "sec":
      return over(real(1, 0), functionValue("cos", [x], trail));
    case "csc":
      return over(real(1, 0), functionValue("sin", [x], trail));
    case "cot":
      return over(functionValue("cos", [x], trail), functionValue("sin", [x], trail));
    case "cis":
      return plus(
        functionValue("cos", [x], trail),
        times({ re: 0, im: 1, error: 0 }, functionValue("sin", [x], trail)),
      );
    case "abs":
      return real(size(x), x.error);
    case "Re":
      return real(x.re, x.error);
    case "Im":
      return real(x.im, x.error);
    case "floor":
      return step(x, Math.floor);
    case "ceil":
      return step(x, Math.ceil);
    case "sgn":
      return Math.abs(x.re) > x.error && x.im === 0 ? real(Math.sign(x.re), 0) : UNDEFINED;
    case "factorial":
      return x.im === 0 && x.error < 1e-9 ? real(factorial(x.re)) : UNDEFINED;
    case "binom":
      return binomial(args[0], x);
    case "min":
    case "max":
      return extreme(args, name === "min" ? 1 : -1);
  }
  return UNDEFINED;
}

function binomial(n: Value, k: Value): Value {
  const known = n.im === 0 && k.im === 0 && n.error < 1e-9 && k.error < 1e-9;
  return known ? real(factorial(n.re) / (factorial(k.re) * factorial(n.re - k.re))) : UNDEFINED;
}

function extreme(values: readonly [Value, ...Value[]], direction: 1 | -1): Value {
  if (values.some((value) => value.im !== 0)) return UNDEFINED;
  const chosen = values.reduce((a, b) => (a.re * direction < b.re * direction ? a : b));
  return { ...chosen, error: Math.max(...values.map((value) => value.error)) };
}

/** The whole r with base^r = x, exactly, or the quotient of the logarithms. */
function logarithmTo(base: Value, x: Value, trail: Trail): Value {
  const value = over(naturalLogarithm(x, trail), naturalLogarithm(base, trail));
  const whole = Math.round(value.re);
  const exact = base.error === 0 && x.error === 0 && Number.isSafeInteger(base.re ** Math.abs(whole));
  return exact && base.re ** whole === x.re ? real(whole, 0) : value;
}

function root(x: Value, degree: Value, trail: Trail): Value {
  if (x.im === 0 && x.re < 0 && Math.abs(degree.re) % 2 === 1) {
    const value = power({ ...x, re: -x.re }, over(real(1, 0), degree), trail);
    return { ...value, re: -value.re };
  }
  const value = power(x, over(real(1, 0), degree), trail);
  const whole = Math.round(value.re);
  const exact = x.error === 0 && x.im === 0 && degree.error === 0 && whole ** degree.re === x.re;
  return exact && Number.isSafeInteger(x.re) ? real(whole, 0) : value;
}

function naturalLogarithm(x: Value, trail: Trail): Value {
  if (size(x) <= 4 * x.error) return UNDEFINED;
  if (x.im === 0 && x.re < 0) trail.complex = true;
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
