/** @file What a decimal stands for: the number it rounds, if it is written to enough digits. */

import type { Budget } from "../limits.ts";
import { approximate } from "../sampling/sample.ts";
import type { Node } from "../tree.ts";
import type { Rational } from "./rational.ts";
import * as Q from "./rational.ts";

/** A decimal as written: its value, the value of its last place, and its digits. */
export type Decimal = { value: Rational; place: Rational; fraction: number; significant: number };

/** Digits from which a decimal may be the rounding of another number. */
const ENOUGH = 6;

/** The decimal that a tree is: a literal, in percent, or times a power of ten. */
export function asDecimal(node: Node): Decimal | undefined {
  if (node.kind === "number" && node.decimals) {
    const { fraction, significant } = node.decimals;
    return { value: node.value, place: Q.ratio(1n, 10n ** BigInt(fraction)), fraction, significant };
  }
  if (node.kind === "percent") return shifted(asDecimal(node.value), -2);
  if (node.kind !== "operation" || node.op !== "*") return undefined;
  if (node.left.kind === "number" && node.left.value.n === -1n && !node.left.decimals) {
    const positive = asDecimal(node.right);
    return positive && { ...positive, value: Q.negate(positive.value) };
  }
  const { right } = node;
  const power =
    right.kind === "operation" &&
    right.op === "^" &&
    right.left.kind === "number" &&
    Q.equals(right.left.value, Q.integer(10)) &&
    right.right.kind === "number" &&
    Q.isInteger(right.right.value) &&
    Q.abs(right.right.value).n < 1_000n
      ? Number(right.right.value.n)
      : undefined;
  return power === undefined ? undefined : shifted(asDecimal(node.left), power);
}

function shifted(decimal: Decimal | undefined, by: number): Decimal | undefined {
  if (!decimal) return undefined;
  const factor = Q.power(Q.integer(10), by);
  return {
    value: Q.multiply(decimal.value, factor),
    place: Q.multiply(decimal.place, factor),
    fraction: Math.max(0, decimal.fraction - by),
    significant: decimal.significant,
  };
}

/**
 * Whether a decimal is the rounding (or the cutting) of an exact number. A number with few decimals of its own is not
 * rounded: it equals only itself, and what a double prints for it.
 */
export function roundsTo(decimal: Decimal, exact: Rational): boolean {
  if (Q.equals(decimal.value, exact)) return true;
  if (isFloatNoise(decimal, exact)) return true;
  const terminating = 10n ** 12n % exact.d === 0n;
  return !terminating && decimal.significant >= ENOUGH && isWithin(decimal, exact);
}

/** Whether two decimals are one number, written to more and to fewer places. */
export function sameDecimal(a: Decimal, b: Decimal): boolean {
  if (Q.equals(a.value, b.value) || isFloatNoise(a, b.value) || isFloatNoise(b, a.value)) return true;
  const [short, long] = a.fraction <= b.fraction ? [a, b] : [b, a];
  return (
    short.fraction >= ENOUGH &&
    short.significant >= ENOUGH &&
    long.fraction >= short.fraction + 3 &&
    isWithin(short, long.value)
  );
}

/** Whether a decimal is the rounding of a number known as a double with its error. */
export function roundsToApproximate(decimal: Decimal, node: Node, budget: Budget): boolean {
  if (decimal.significant < ENOUGH) return false;
  const { re, im, error } = approximate(node, budget);
  if (!Number.isFinite(re) || Math.abs(im) > 4 * error || re === 0 || error > 1e-9 * Math.abs(re)) return false;
  const value = Q.toNumber(decimal.value);
  const place = Q.toNumber(decimal.place);
  const slack = 8 * error + 4e-16 * Math.abs(re);
  const apart = Math.abs(value - re);
  return apart <= place / 2 + slack || (Math.abs(value) <= Math.abs(re) && apart < place - slack);
}

function isWithin({ value, place }: Decimal, exact: Rational): boolean {
  const apart = Q.abs(Q.subtract(value, exact));
  if (Q.compare(Q.multiply(apart, Q.integer(2)), place) <= 0) return true;
  return Q.compare(Q.abs(value), Q.abs(exact)) < 0 && Q.compare(apart, place) < 0;
}

/** 0.30000000000000004 is what a double prints for 0.3. */
function isFloatNoise({ value, significant }: Decimal, exact: Rational): boolean {
  if (significant < 15 || significant > 18) return false;
  const apart = Q.abs(Q.subtract(value, exact));
  return Q.compare(Q.multiply(apart, Q.integer(10n ** 15n)), Q.abs(exact)) <= 0;
}
