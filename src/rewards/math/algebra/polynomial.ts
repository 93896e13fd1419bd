/** @file Sums of products of atoms with rational exponents, and fractions of such sums. */

import type { Budget } from "../limits.ts";
import { Beyond, LIMITS } from "../limits.ts";
import type { Rational } from "./rational.ts";
import * as Q from "./rational.ts";

/**
 * What a product is made of. The root of a prime keeps its exponent in [0, 1), i is 0 or 1 times; the others are free of
 * each other where they are symbols, and `opaque` where they may hide a relation.
 */
export type Atom = { id: number; key: string; kind: "symbol" | "prime" | "imaginary" | "opaque"; prime?: bigint };

/** atom^(n/d) */
export type Factor = { atom: Atom; n: number; d: number };
export type Term = { coefficient: Rational; factors: readonly Factor[] };
export type Polynomial = ReadonlyMap<string, Term>;
export type Fraction = { top: Polynomial; bottom: Polynomial };

/** Thrown where a form divides by zero. */
export class Undefined extends Error {
  override name = "Undefined";
}

export type Arithmetic = ReturnType<typeof arithmetic>;

/** Operations on polynomials and their fractions, paid from a budget. */
export function arithmetic(budget: Budget) {
  const weight = (a: Rational) => 1 + ((Q.bits(a.n) + Q.bits(a.d)) >> 7);

  function monomial(coefficient: Rational, factors: readonly Factor[] = []): Polynomial {
    return coefficient.n === 0n ? new Map() : new Map([[keyOf(factors), { coefficient, factors }]]);
  }

  function sum(a: Polynomial, b: Polynomial): Polynomial {
    if (a.size === 0) return b;
    if (b.size === 0) return a;
    budget.spend(a.size + b.size);
    const result = new Map(a);
    for (const [key, term] of b) accumulate(result, key, term);
    return result;
  }

  function accumulate(into: Map<string, Term>, key: string, term: Term): void {
    const present = into.get(key);
    if (!present) into.set(key, term);
    else {
      const coefficient = Q.add(present.coefficient, term.coefficient);
      if (coefficient.n === 0n) into.delete(key);
      else into.set(key, { coefficient, factors: present.factors });
    }
    if (into.size > LIMITS.terms) throw new Beyond("a sum has too many terms");
  }

  function product(a: Polynomial, b: Polynomial): Polynomial {
    const result = new Map<string, Term>();
    for (const left of a.values())
      for (const right of b.values()) {
        budget.spend(weight(left.coefficient) * weight(right.coefficient));
        const term = multiplyTerms(left, right);
        if (term.coefficient.n !== 0n) accumulate(result, keyOf(term.factors), term);
      }
    return result;
  }

  function multiplyTerms(a: Term, b: Term): Term {
    let coefficient = Q.multiply(a.coefficient, b.coefficient);
    if (b.factors.length === 0) return { coefficient, factors: a.factors };
    const factors: Factor[] = [];
    const add = ({ atom, n, d }: Factor) => {
      if (atom.kind === "prime") {
        const whole = Math.floor(n / d);
        if (whole !== 0) coefficient = Q.multiply(coefficient, Q.power(Q.integer(atom.prime!), whole));
        n -= whole * d;
      } else if (atom.kind === "imaginary") {
        const turns = ((n % 4) + 4) % 4;
        if (turns >= 2) coefficient = Q.negate(coefficient);
        n = turns % 2;
      }
      if (n !== 0) factors.push({ atom, n, d });
    };
    let [i, j] = [0, 0];
    while (i < a.factors.length || j < b.factors.length) {
      const [x, y] = [a.factors[i], b.factors[j]];
      if (x && y && x.atom.id === y.atom.id) {
        add({ atom: x.atom, ...addExponents(x, y) });
        i++;
        j++;
      } else if (!y || (x && x.atom.id < y.atom.id)) {
        add(x!);
        i++;
      } else {
        add(y);
        j++;
      }
    }
    return { coefficient, factors };
  }

  /** A term to the power n/d; its coefficient must be 1 where d > 1. */
  function powerOfTerm(term: Term, n: number, d = 1): Polynomial {
    budget.spend(1 + Math.min(200, Math.abs(n)));
    const coefficient = d === 1 ? Q.power(term.coefficient, n) : Q.ONE;
    let result = monomial(coefficient);
    for (const factor of term.factors)
      result = product(result, new Map([["", normal({ ...factor, ...multiplyExponents(factor, n, d) })]]));
    return result;
  }

  const normal = (factor: Factor): Term =>
    multiplyTerms({ coefficient: Q.ONE, factors: [] }, { coefficient: Q.ONE, factors: [factor] });

  // ---- fractions

  const one = monomial(Q.ONE);
  const fraction = (top: Polynomial, bottom: Polynomial = one): Fraction => {
    if (bottom.size === 0) throw new Undefined("division by zero");
    if (bottom.size > 1) return { top, bottom };
    const [term] = bottom.values();
    if (term!.factors.length === 0 && Q.equals(term!.coefficient, Q.ONE)) return { top, bottom: one };
    return { top: product(top, powerOfTerm(term!, -1)), bottom: one };
  };
  const constant = (value: Rational): Fraction => ({ top: monomial(value), bottom: one });
  const single = (atom: Atom, n = 1, d = 1): Fraction =>
    n === 0 ? constant(Q.ONE) : { top: product(one, new Map([["", normal({ atom, n, d })]])), bottom: one };

  const isOne = (p: Polynomial) =>
    p === one || (p.size === 1 && p.get("")?.coefficient.n === 1n && p.get("")?.coefficient.d === 1n);

  const add = (a: Fraction, b: Fraction): Fraction =>
    a.bottom === b.bottom || (isOne(a.bottom) && isOne(b.bottom)) || same(a.bottom, b.bottom)
      ? fraction(sum(a.top, b.top), a.bottom)
      : fraction(sum(product(a.top, b.bottom), product(b.top, a.bottom)), product(a.bottom, b.bottom));
  const multiply = (a: Fraction, b: Fraction): Fraction =>
    fraction(product(a.top, b.top), isOne(b.bottom) ? a.bottom : product(a.bottom, b.bottom));
  const invert = (a: Fraction): Fraction => fraction(a.bottom, a.top);
  const scale = (a: Fraction, by: Rational): Fraction => ({ top: product(a.top, monomial(by)), bottom: a.bottom });
  const difference = (a: Fraction, b: Fraction): Polynomial => add(a, scale(b, Q.integer(-1))).top;

  function power(base: Fraction, exponent: number): Fraction {
    if (exponent < 0) return power(invert(base), -exponent);
    const [term] = base.top.values();
    if (base.top.size === 1 && isOne(base.bottom)) return { top: powerOfTerm(term!, exponent), bottom: one };
    if (exponent > LIMITS.expansion) throw new Beyond("a power has too many terms");
    let result = constant(Q.ONE);
    for (let i = 0; i < exponent; i++) result = multiply(result, base);
    return result;
  }

  /** The value of a fraction without atoms. */
  const rational = ({ top, bottom }: Fraction): Rational | undefined => {
    if (!isOne(bottom)) return undefined;
    if (top.size === 0) return Q.ZERO;
    return top.size === 1 ? top.get("")?.coefficient : undefined;
  };

  return {
    monomial,
    sum,
    product,
    powerOfTerm,
    fraction,
    constant,
    single,
    add,
    multiply,
    invert,
    scale,
    difference,
    power,
    rational,
    isOne,
    budget,
  };
}

const reduced = (n: number, d: number): { n: number; d: number } => {
  if (!Number.isSafeInteger(n) || !Number.isSafeInteger(d)) throw new Beyond("an exponent is too long");
  let [x, y] = [Math.abs(n), d];
  while (y) [x, y] = [y, x % y];
  return { n: n / x, d: d / x };
};

const addExponents = (a: Factor, b: Factor) =>
  a.d === 1 && b.d === 1 ? { n: a.n + b.n, d: 1 } : reduced(a.n * b.d + b.n * a.d, a.d * b.d);
const multiplyExponents = (a: Factor, n: number, d: number) => reduced(a.n * n, a.d * d);

const keyOf = (factors: readonly Factor[]): string => {
  let key = "";
  for (const { atom, n, d } of factors) key += `${atom.id}^${n}${d === 1 ? "" : `/${d}`} `;
  return key;
};

const same = (a: Polynomial, b: Polynomial): boolean => {
  if (a.size !== b.size) return false;
  for (const [key, term] of a) {
    const other = b.get(key);
    if (!other || !Q.equals(term.coefficient, other.coefficient)) return false;
  }
  return true;
};

/** A name of the polynomial: equal polynomials have equal names. */
export function nameOf(p: Polynomial): string {
  const keys = [...p.keys()].sort();
  return keys.map((key) => `${Q.format(p.get(key)!.coefficient)} ${key}`).join("+") || "0";
}
