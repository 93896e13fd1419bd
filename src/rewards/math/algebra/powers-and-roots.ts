/** @file Powers and roots of forms. */

import { Beyond, LIMITS } from "../limits.ts";
import { factorize } from "./factorize.ts";
import type { Forms } from "./normal-form.ts";
import { type Atom, type Fraction, nameOf, type Polynomial } from "./polynomial.ts";
import type { Rational } from "./rational.ts";
import * as Q from "./rational.ts";

/** A form to the power of another. */
export function raise(forms: Forms, base: Fraction, exponent: Fraction): Fraction {
  const { atom, constant, isOne, multiply, name, opaque, rational, single } = forms;
  const q = rational(exponent);
  if (q) return rationalPower(forms, base, q);
  const value = rational(base);
  if (!isOne(exponent.bottom)) return opaque(`(${name(base)})^(${name(exponent)})`);
  const bases: [Atom | undefined, string, number, Rational][] = [];
  if (value && Q.sign(value) > 0 && Q.bits(value.n) + Q.bits(value.d) <= 512) {
    for (const [prime, times] of factorized(forms, value))
      bases.push([prime, prime.key, times, Q.integer(prime.prime ?? 0n)]);
  } else {
    const [term] = base.top.values();
    const only =
      base.top.size === 1 && isOne(base.bottom) && term!.factors.length === 1 ? term!.factors[0]! : undefined;
    if (!only || !Q.equals(term!.coefficient, Q.ONE) || only.d !== 1 || only.atom.kind !== "symbol")
      return opaque(`(${name(base)})^(${name(exponent)})`);
    bases.push([only.atom, only.atom.key, only.n, Q.ONE]);
  }
  // a^(Σ c·m) = Π (a^(m/d))^n with c = n/d
  let result = constant(Q.ONE);
  for (const [prime, key, times] of bases)
    for (const { coefficient, factors } of exponent.top.values()) {
      const scaled = Q.multiply(coefficient, Q.integer(times));
      if (factors.length === 0) {
        result = multiply(result, single(prime!, small(scaled.n), small(scaled.d)));
        continue;
      }
      const unit = nameOf(forms.monomial(Q.ratio(1n, scaled.d), factors));
      result = multiply(result, single(atom("opaque", `[${key}]^(${unit})`), small(scaled.n)));
    }
  return result;
}

/** A form to a rational power. */
export function rationalPower(forms: Forms, base: Fraction, q: Rational): Fraction {
  const { atom, constant, invert, isOne, multiply, name, power, rational, single } = forms;
  const [n, d] = [small(q.n), small(q.d)];
  if (d === 1) {
    if (base.top.size <= 1 && isOne(base.bottom))
      return base.top.size === 0 && n < 0 ? power(invert(base), -n) : power(base, n);
    if (Math.abs(n) <= LIMITS.expansion) return power(base, n);
    return single(atom("opaque", `(${name(base)})`), n);
  }
  const value = rational(base);
  if (value) return rootOfRational(forms, value, n, d);
  if (base.top.size === 1 && isOne(base.bottom)) {
    const [term] = base.top.values();
    const { coefficient, factors } = term!;
    if (Q.sign(coefficient) > 0) {
      const outer = rootOfRational(forms, coefficient, n, d);
      // (a^r)^q = a^(rq) for a > 0
      if (
        factors.every(
          (factor) => factor.atom.kind === "prime" || factor.atom.key === "s pi" || factor.atom.key === "s e",
        )
      )
        return multiply(outer, {
          top: forms.powerOfTerm({ coefficient: Q.ONE, factors }, n, d),
          bottom: constant(Q.ONE).bottom,
        });
      const only = factors.length === 1 && factors[0]!.n === 1 && factors[0]!.d === 1 ? factors[0]!.atom : undefined;
      return multiply(outer, single(only ?? atom("opaque", `(${nameOf(forms.monomial(Q.ONE, factors))})`), n, d));
    }
  }
  const content = contentOf(base.top);
  const primitive = forms.scale(base, Q.divide(Q.ONE, content));
  return multiply(rootOfRational(forms, content, n, d), single(atom("opaque", `(${name(primitive)})`), n, d));
}

function rootOfRational(forms: Forms, value: Rational, n: number, d: number): Fraction {
  const { atom, constant, invert, multiply, single } = forms;
  if (value.n === 0n) {
    if (n < 0) invert(constant(value));
    return constant(value);
  }
  let result = constant(Q.ONE);
  if (Q.sign(value) < 0)
    result = d === 2 ? single(atom("imaginary", "i"), n) : single(atom("opaque", `(-1)^(1/${d})`), n);
  for (const [prime, times] of factorized(forms, Q.abs(value)))
    result = multiply(result, single(prime, ...lowest(times * n, d)));
  return result;
}

/** A positive number as a product of primes, and of what trial division leaves. */
export function factorized(forms: Forms, value: Rational): [Atom, number][] {
  const { atom, budget } = forms;
  const found: [Atom, number][] = [];
  for (const [n, direction] of [
    [value.n, 1],
    [value.d, -1],
  ] as const)
    for (const [factor, times] of factorize(n, budget)) {
      budget.spend(1);
      const known = factor < 1_000_000n;
      const key = `p ${factor}`;
      found.push([known ? atom("prime", key, factor) : { ...atom("opaque", key), prime: factor }, times * direction]);
    }
  return found;
}

/** The greatest rational that divides all coefficients. */
function contentOf(p: Polynomial): Rational {
  let [n, d] = [0n, 1n];
  for (const { coefficient } of p.values()) {
    if (Q.bits(coefficient.n) + Q.bits(coefficient.d) > 512) return Q.ONE;
    n = Q.gcd(n, coefficient.n);
    d = (d / Q.gcd(d, coefficient.d)) * coefficient.d;
  }
  return n === 0n ? Q.ONE : Q.ratio(n, d);
}

const small = (n: bigint): number => {
  if (n > 1_000_000_000n || n < -1_000_000_000n) throw new Beyond("an exponent is too long");
  return Number(n);
};

const lowest = (n: number, d: number): [number, number] => {
  let [x, y] = [Math.abs(n), d];
  while (y) [x, y] = [y, x % y];
  return [n / x, d / x];
};
