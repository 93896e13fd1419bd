/** @file A tree as a fraction of polynomials: equal numbers and expressions get equal forms where algebra can tell. */

import { Beyond, type Budget, LIMITS } from "../limits.ts";
import { print } from "../print.ts";
import { map, type Node, number, substitute, symbol } from "../tree.ts";
import { onRationals } from "./exact.ts";
import { factorize } from "./factorize.ts";
import { type Arithmetic, type Atom, arithmetic, type Fraction, nameOf, type Polynomial } from "./polynomial.ts";
import type { Rational } from "./rational.ts";
import * as Q from "./rational.ts";

/** Thrown where a tree is no expression: a list, a relation, words. */
export class NotAlgebraic extends Error {
  override name = "NotAlgebraic";
}

export type NormalForms = Arithmetic & { form(node: Node): Fraction };

/** The normal forms of trees that are to be compared with each other. */
export function normalForms(budget: Budget): NormalForms {
  const ring = arithmetic(budget);
  const { constant, single, add, multiply, invert, power, rational, isOne } = ring;
  const atoms = new Map<string, Atom>();
  const atom = (kind: Atom["kind"], key: string, prime?: bigint): Atom => {
    let known = atoms.get(key);
    if (!known) {
      known = prime === undefined ? { id: atoms.size, key, kind } : { id: atoms.size, key, kind, prime };
      atoms.set(key, known);
    }
    return known;
  };
  let bindings = 0;
  const opaque = (key: string) => single(atom("opaque", key));
  const name = ({ top, bottom }: Fraction) => (isOne(bottom) ? nameOf(top) : `(${nameOf(top)})/(${nameOf(bottom)})`);
  return { ...ring, form };

  function form(node: Node): Fraction {
    budget.spend(1);
    switch (node.kind) {
      case "number":
        return constant(node.value);
      case "symbol":
        if (node.name === "i") return single(atom("imaginary", "i"));
        if (node.name === "oo") throw new NotAlgebraic("infinity");
        return single(atom("symbol", `s ${node.name}`));
      case "percent":
        return multiply(form(node.value), constant(Q.ratio(1n, 100n)));
      case "quantity":
        return node.unit === "degree"
          ? multiply(form(node.value), multiply(single(atom("symbol", "s pi")), constant(Q.ratio(1n, 180n))))
          : form(node.value);
      case "operation":
        switch (node.op) {
          case "+":
            return add(form(node.left), form(node.right));
          case "*":
            return multiply(form(node.left), form(node.right));
          case "/":
            return multiply(form(node.left), invert(form(node.right)));
          case "^":
            return raise(form(node.left), form(node.right));
        }
        break;
      case "call":
        return apply(node.name, node.args);
    }
    throw new NotAlgebraic(node.kind);
  }

  // ---- powers

  function raise(base: Fraction, exponent: Fraction): Fraction {
    const q = rational(exponent);
    if (q) return rationalPower(base, q);
    const value = rational(base);
    if (!isOne(exponent.bottom)) return opaque(`(${name(base)})^(${name(exponent)})`);
    const bases: [Atom | undefined, string, number, Rational][] = [];
    if (value && Q.sign(value) > 0 && Q.bits(value.n) + Q.bits(value.d) <= 512) {
      for (const [prime, times] of factorized(value))
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
        const unit = nameOf(ring.monomial(Q.ratio(1n, scaled.d), factors));
        result = multiply(result, single(atom("opaque", `[${key}]^(${unit})`), small(scaled.n)));
      }
    return result;
  }

  function rationalPower(base: Fraction, q: Rational): Fraction {
    const [n, d] = [small(q.n), small(q.d)];
    if (d === 1) {
      if (base.top.size <= 1 && isOne(base.bottom))
        return base.top.size === 0 && n < 0 ? power(invert(base), -n) : power(base, n);
      if (Math.abs(n) <= LIMITS.expansion) return power(base, n);
      return single(atom("opaque", `(${name(base)})`), n);
    }
    const value = rational(base);
    if (value) return rootOfRational(value, n, d);
    if (base.top.size === 1 && isOne(base.bottom)) {
      const [term] = base.top.values();
      const { coefficient, factors } = term!;
      if (Q.sign(coefficient) > 0) {
        const outer = rootOfRational(coefficient, n, d);
        // (a^r)^q = a^(rq) for a > 0
        if (
          factors.every(
            (factor) => factor.atom.kind === "prime" || factor.atom.key === "s pi" || factor.atom.key === "s e",
          )
        )
          return multiply(outer, {
            top: ring.powerOfTerm({ coefficient: Q.ONE, factors }, n, d),
            bottom: constant(Q.ONE).bottom,
          });
        const only = factors.length === 1 && factors[0]!.n === 1 && factors[0]!.d === 1 ? factors[0]!.atom : undefined;
        return multiply(outer, single(only ?? atom("opaque", `(${nameOf(ring.monomial(Q.ONE, factors))})`), n, d));
      }
    }
    const content = contentOf(base.top);
    const primitive = ring.scale(base, Q.divide(Q.ONE, content));
    return multiply(rootOfRational(content, n, d), single(atom("opaque", `(${name(primitive)})`), n, d));
  }

  function rootOfRational(value: Rational, n: number, d: number): Fraction {
    if (value.n === 0n) {
      if (n < 0) invert(constant(value));
      return constant(value);
    }
    let result = constant(Q.ONE);
    if (Q.sign(value) < 0)
      result = d === 2 ? single(atom("imaginary", "i"), n) : single(atom("opaque", `(-1)^(1/${d})`), n);
    for (const [prime, times] of factorized(Q.abs(value)))
      result = multiply(result, single(prime, ...lowest(times * n, d)));
    return result;
  }

  /** A positive number as a product of primes, and of what trial division leaves. */
  function factorized(value: Rational): [Atom, number][] {
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

  // ---- functions

  function apply(called: string, args: readonly Node[]): Fraction {
    switch (called) {
      case "sqrt":
        return rationalPower(form(args[0]!), Q.ratio(1n, 2n));
      case "root":
        return root(form(args[0]!), form(args[1]!));
      case "exp":
        return raise(single(atom("symbol", "s e")), form(args[0]!));
      case "tan":
        return multiply(apply("sin", args), invert(apply("cos", args)));
      case "cot":
        return multiply(apply("cos", args), invert(apply("sin", args)));
      case "sec":
        return invert(apply("cos", args));
      case "csc":
        return invert(apply("sin", args));
      case "cis":
        return add(apply("cos", args), multiply(single(atom("imaginary", "i")), apply("sin", args)));
      case "ln":
        return logarithm(form(args[0]!));
      case "log":
        return multiply(logarithm(form(args[0]!)), invert(logarithm(constant(Q.integer(10)))));
      case "log base":
        return multiply(logarithm(form(args[1]!)), invert(logarithm(form(args[0]!))));
      case "sum":
      case "prod":
        return series(called, args);
      case "int":
        return integral(args);
      case "iint":
      case "oint":
      case "lim":
      case "det":
        return opaque(`${called} ${args.map(print).join()}`);
    }
    const forms = args.map(form);
    const values = forms.map(rational);
    const whole = values.every((value) => value && Q.isInteger(value));
    const exact = values.every((value) => value) ? onRationals(called, values as Rational[], whole) : undefined;
    if (exact) return constant(exact);
    if (called === "abs" && leadingSign(forms[0]!.top) < 0)
      return opaque(`abs ${name(ring.scale(forms[0]!, Q.integer(-1)))}`);
    return opaque(`${called} ${forms.map(name).join("; ")}`);
  }

  /** The sign of the term whose key comes first: it fixes which of |a − b| and |b − a| is written. */
  function leadingSign(p: Polynomial): number {
    const [first] = [...p.keys()].sort();
    return first === undefined ? 0 : Q.sign(p.get(first)!.coefficient);
  }

  function root(base: Fraction, degree: Fraction): Fraction {
    const k = rational(degree);
    if (!k || k.n === 0n) return raise(base, invert(degree));
    const value = rational(base);
    // The odd root of a negative number is real.
    if (value && Q.sign(value) < 0 && Q.isInteger(k) && k.n % 2n !== 0n)
      return ring.scale(rationalPower(constant(Q.negate(value)), Q.divide(Q.ONE, k)), Q.integer(-1));
    return rationalPower(base, Q.divide(Q.ONE, k));
  }

  function logarithm(of: Fraction): Fraction {
    const value = rational(of);
    if (value && Q.sign(value) > 0) {
      let result = constant(Q.ZERO);
      for (const [prime, times] of factorized(value))
        result = add(result, ring.scale(opaque(`ln ${prime.key}`), Q.integer(times)));
      return result;
    }
    const [term] = of.top.values();
    if (of.top.size === 1 && isOne(of.bottom) && term!.factors.length === 1 && Q.equals(term!.coefficient, Q.ONE)) {
      const { atom, n, d } = term!.factors[0]!;
      if (atom.key === "s e") return constant(Q.ratio(BigInt(n), BigInt(d)));
      if (atom.kind === "prime") return ring.scale(opaque(`ln ${atom.key}`), Q.ratio(BigInt(n), BigInt(d)));
    }
    return opaque(`ln ${name(of)}`);
  }

  /** The name of a body whose letter has no name outside. */
  function underBinding(body: Node, letter: string): string {
    bindings++;
    const inner = name(form(renamed(body, letter, `bound ${bindings}`)));
    bindings--;
    return inner;
  }

  function integral(args: readonly Node[]): Fraction {
    const bounds = args.slice(0, -1);
    const inside = integrand(args.at(-1)!);
    if (bounds.length !== 2 || !inside) return opaque(`int ${args.map(print).join()}`);
    return opaque(`int ${bounds.map(print).join()} ${underBinding(inside.body, inside.letter)}`);
  }

  function series(called: string, args: readonly Node[]): Fraction {
    const [lower, upper, body] = args;
    const start = lower?.kind === "call" && lower.name === "_" ? lower.args[0]! : undefined;
    const end = upper?.kind === "call" && upper.name === "^" ? rational(form(upper.args[0]!)) : undefined;
    const bound =
      start?.kind === "relation" && start.ops[0] === "=" && start.parts[0]!.kind === "symbol"
        ? start.parts[0]
        : undefined;
    const first = bound && start?.kind === "relation" ? rational(form(start.parts[1]!)) : undefined;
    if (!bound || !body || start?.kind !== "relation") return opaque(`${called} ${args.map(print).join()}`);
    if (!end || !first || !Q.isInteger(end) || !Q.isInteger(first) || end.n - first.n > 100n) {
      const inner = underBinding(body, bound.name);
      const from = name(form(start.parts[1]!));
      const to = upper?.kind === "call" && !isInfinite(upper.args[0]) ? name(form(upper.args[0])) : print(upper!);
      return opaque(`${called} ${from} ${to} ${inner}`);
    }
    let result = constant(called === "sum" ? Q.ZERO : Q.ONE);
    for (let k = first.n; k <= end.n; k++) {
      const term = form(substitute(body, bound.name, number(Q.integer(k))));
      result = called === "sum" ? add(result, term) : multiply(result, term);
    }
    return result;
  }
}

/** A tree with another name for a symbol, in subscripts too. */
const renamed = (node: Node, from: string, to: string): Node =>
  map(node, (child) => {
    if (child.kind !== "symbol") return undefined;
    if (child.name === from) return symbol(to);
    if (!/^[A-Za-z]+$/.test(from) || !child.name.includes("_")) return undefined;
    const [head, ...index] = child.name.split("_");
    return symbol(
      [head, ...index.map((part) => part.replace(new RegExp(`(?<![A-Za-z])${from}(?![A-Za-z])`, "g"), to))].join("_"),
    );
  });

/** The integrand and the letter behind d. */
function integrand(node: Node): { body: Node; letter: string } | undefined {
  if (node.kind !== "operation" || node.op !== "*" || node.right.kind !== "symbol") return undefined;
  const { left } = node;
  if (left.kind === "symbol" && left.name === "d") return { body: number(Q.ONE), letter: node.right.name };
  return left.kind === "operation" && left.op === "*" && left.right.kind === "symbol" && left.right.name === "d"
    ? { body: left.left, letter: node.right.name }
    : undefined;
}

const isInfinite = (node: Node) => node.kind === "symbol" && node.name === "oo";

const small = (n: bigint): number => {
  if (n > 1_000_000_000n || n < -1_000_000_000n) throw new Beyond("an exponent is too long");
  return Number(n);
};

const lowest = (n: number, d: number): [number, number] => {
  let [x, y] = [Math.abs(n), d];
  while (y) [x, y] = [y, x % y];
  return [n / x, d / x];
};
