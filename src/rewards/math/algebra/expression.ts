/** @file Whether two expressions are equal: exactly, by normal form, as decimals, or by sampling. */

import { Beyond, type Budget, LIMITS, openBudget } from "../limits.ts";
import { print } from "../print.ts";
import { agreeBySampling } from "../sampling/sample.ts";
import { type Node, some, symbols } from "../tree.ts";
import { asDecimal, roundsTo, roundsToApproximate, sameDecimal } from "./decimal.ts";
import { NotAlgebraic, normalForms } from "./normal-form.ts";
import { type Fraction, type Polynomial, type Term, Undefined } from "./polynomial.ts";
import { equals, sign } from "./rational.ts";

export type Expressions = {
  /** The rule by which the expressions are equal, if they are. */
  equal(a: Node, b: Node): string | undefined;
  /** The sign of the constant c with a = c·b, 0 where there is none, undefined where algebra cannot tell. */
  proportion(a: Node, b: Node): number | undefined;
};

/** Comparisons that share a budget and the names of their atoms. */
export function expressions(budget: Budget): Expressions {
  const forms = normalForms(openBudget(LIMITS.products));
  const known = new Map<Node, Fraction | undefined>();
  return { equal, proportion };

  function equal(a: Node, b: Node): string | undefined {
    const [x, y] = [asDecimal(a), asDecimal(b)];
    if (x && y) return sameDecimal(x, y) ? (equals(x.value, y.value) ? "exact number" : "rounded decimal") : undefined;
    const [f, g] = [formOf(a), formOf(b)];
    if (!f || !g) {
      if (print(a) === print(b)) return "same structure";
      return isFiniteTree(a) && isFiniteTree(b) && agreeBySampling(a, b, budget) ? "sampling" : undefined;
    }
    const [p, q] = [forms.rational(f), forms.rational(g)];
    if (p && q) {
      if (equals(p, q)) return "exact number";
      return (x && roundsTo(x, q)) || (y && roundsTo(y, p)) ? "rounded decimal" : undefined;
    }
    let decided = false;
    if (f.top.size === g.top.size || f.top.size + g.top.size < 200) {
      const difference = attempt(() => forms.difference(f, g));
      if (difference?.size === 0) return "normal form";
      decided = difference !== undefined && isDecided(difference);
      if (decided && !x && !y) return undefined;
    }
    const decimal = x ?? y;
    if (decimal && roundsToApproximate(decimal, x ? b : a, budget)) return "rounded decimal";
    if (decimal && decided) return undefined;
    return agreeBySampling(a, b, budget) ? "sampling" : undefined;
  }

  function formOf(node: Node): Fraction | undefined {
    if (!known.has(node))
      known.set(
        node,
        attempt(() => forms.form(node)),
      );
    return known.get(node);
  }

  function proportion(a: Node, b: Node): number | undefined {
    const [f, g] = [formOf(a), formOf(b)];
    if (!f || !g || !forms.isOne(f.bottom) || !forms.isOne(g.bottom)) return undefined;
    const decided = isDecided(f.top) && isDecided(g.top);
    if (f.top.size === 0 || g.top.size === 0) return decided ? 0 : undefined;
    const [key, first] = [...f.top][0]!;
    const other = g.top.get(key);
    const scaled =
      other && attempt(() => forms.difference(forms.scale(f, other.coefficient), forms.scale(g, first.coefficient)));
    if (scaled?.size === 0) return sign(first.coefficient) * sign(other!.coefficient);
    // The factor may be irrational: only rational coefficients settle it.
    return decided && [f, g].every(({ top }) => [...top.values()].every(isRationalTerm)) ? 0 : undefined;
  }
}

/** Undefined where the computation is over the limits, divides by zero or is no algebra. */
function attempt<T>(compute: () => T): T | undefined {
  try {
    return compute();
  } catch (error) {
    if (
      error instanceof Beyond ||
      error instanceof NotAlgebraic ||
      error instanceof Undefined ||
      error instanceof RangeError
    )
      return undefined;
    throw error;
  }
}

/**
 * Whether a difference that is not zero in form is not zero in value: roots of different primes, i, π and symbols are
 * independent over the rationals (Besicovitch, 1940), what is opaque may not be.
 */
function isDecided(difference: Polynomial): boolean {
  for (const { factors } of difference.values())
    for (const { atom } of factors) if (atom.kind === "opaque") return false;
  return true;
}

const isRationalTerm = ({ factors }: Term) =>
  factors.every(({ atom }) => atom.kind === "symbol" && atom.key !== "s pi" && atom.key !== "s e");

const isFiniteTree = (node: Node) =>
  !some(node, (child) => child.kind === "symbol" && child.name === "oo") && symbols(node).size < 12;
