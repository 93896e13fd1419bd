/** @file Functions of forms: exact values, what one function says of another, and names for the rest. */

import { print } from "../print.ts";
import type { Node } from "../tree.ts";
import { integral, series } from "./bound-letters.ts";
import { onRationals } from "./exact.ts";
import type { Forms } from "./normal-form.ts";
import type { Fraction, Polynomial } from "./polynomial.ts";
import { factorized, raise, rationalPower } from "./powers-and-roots.ts";
import type { Rational } from "./rational.ts";
import * as Q from "./rational.ts";

/** The form of a function of its arguments. */
export function apply(forms: Forms, called: string, args: readonly Node[]): Fraction {
  const { add, atom, constant, form, invert, multiply, name, opaque, rational, single } = forms;
  switch (called) {
    case "sqrt":
      return rationalPower(forms, form(args[0]!), Q.ratio(1n, 2n));
    case "root":
      return root(forms, form(args[0]!), form(args[1]!));
    case "exp":
      return raise(forms, single(atom("symbol", "s e")), form(args[0]!));
    case "tan":
      return multiply(apply(forms, "sin", args), invert(apply(forms, "cos", args)));
    case "cot":
      return multiply(apply(forms, "cos", args), invert(apply(forms, "sin", args)));
    case "sec":
      return invert(apply(forms, "cos", args));
    case "csc":
      return invert(apply(forms, "sin", args));
    case "cis":
      return add(apply(forms, "cos", args), multiply(single(atom("imaginary", "i")), apply(forms, "sin", args)));
    case "ln":
      return logarithm(forms, form(args[0]!));
    case "log":
      return multiply(logarithm(forms, form(args[0]!)), invert(logarithm(forms, constant(Q.integer(10)))));
    case "log base":
      return multiply(logarithm(forms, form(args[1]!)), invert(logarithm(forms, form(args[0]!))));
    case "sum":
    case "prod":
      return series(forms, called, args);
    case "int":
      return integral(forms, args);
    case "iint":
    case "oint":
    case "lim":
    case "det":
      return opaque(`${called} ${args.map(print).join()}`);
  }
  const parts = args.map(form);
  const values = parts.map(rational);
  const whole = values.every((value) => value && Q.isInteger(value));
  const exact = values.every((value) => value) ? onRationals(called, values as Rational[], whole) : undefined;
  if (exact) return constant(exact);
  if (called === "abs" && leadingSign(parts[0]!.top) < 0)
    return opaque(`abs ${name(forms.scale(parts[0]!, Q.integer(-1)))}`);
  return opaque(`${called} ${parts.map(name).join("; ")}`);
}

/** The sign of the term whose key comes first: it fixes which of |a − b| and |b − a| is written. */
function leadingSign(p: Polynomial): number {
  const [first] = [...p.keys()].sort();
  return first === undefined ? 0 : Q.sign(p.get(first)!.coefficient);
}

function root(forms: Forms, base: Fraction, degree: Fraction): Fraction {
  const { constant, invert, rational } = forms;
  const k = rational(degree);
  if (!k || k.n === 0n) return raise(forms, base, invert(degree));
  const value = rational(base);
  // The odd root of a negative number is real.
  if (value && Q.sign(value) < 0 && Q.isInteger(k) && k.n % 2n !== 0n)
    return forms.scale(rationalPower(forms, constant(Q.negate(value)), Q.divide(Q.ONE, k)), Q.integer(-1));
  return rationalPower(forms, base, Q.divide(Q.ONE, k));
}

function logarithm(forms: Forms, of: Fraction): Fraction {
  const { add, constant, isOne, name, opaque, rational } = forms;
  const value = rational(of);
  if (value && Q.sign(value) > 0) {
    let result = constant(Q.ZERO);
    for (const [prime, times] of factorized(forms, value))
      result = add(result, forms.scale(opaque(`ln ${prime.key}`), Q.integer(times)));
    return result;
  }
  const [term] = of.top.values();
  if (of.top.size === 1 && isOne(of.bottom) && term!.factors.length === 1 && Q.equals(term!.coefficient, Q.ONE)) {
    const { atom, n, d } = term!.factors[0]!;
    if (atom.key === "s e") return constant(Q.ratio(BigInt(n), BigInt(d)));
    if (atom.kind === "prime") return forms.scale(opaque(`ln ${atom.key}`), Q.ratio(BigInt(n), BigInt(d)));
  }
  return opaque(`ln ${name(of)}`);
}
