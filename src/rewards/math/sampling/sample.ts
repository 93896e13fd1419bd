/** @file Whether two expressions agree at seeded points: what decides where algebra cannot. */

import { deriveSeed, seededRandom } from "../../../core/random.ts";
import type { Budget } from "../limits.ts";
import { type Node, some, symbols } from "../tree.ts";
import { agree, evaluate, type Point, type Value } from "./evaluate.ts";

const POINTS = 8;
const NEEDED = 3;

/** Functions that have values at whole numbers only. */
const DISCRETE = new Set(["factorial", "binom", "floor", "ceil", "mod", "gcd", "lcm", "double factorial"]);

/** Points for the symbols of some trees: the first half positive, the others of either sign. */
function points(nodes: readonly Node[], budget: Budget): Point[] {
  const names = new Set<string>();
  for (const node of nodes) symbols(node, names);
  const whole = nodes.some((node) =>
    some(node, (child) => (child.kind === "call" && DISCRETE.has(child.name)) || isAlternating(child)),
  );
  const count = names.size === 0 ? 1 : POINTS;
  return Array.from({ length: count }, (_, i) => {
    const values = new Map<string, number>();
    for (const name of names) {
      const random = seededRandom(deriveSeed(name, i));
      // Dyadic numbers are exact doubles.
      const value = whole ? 2 + random.below(9) : Math.round((0.3 + 2.2 * random.uniform()) * 2 ** 20) / 2 ** 20;
      values.set(name, i < count / 2 || whole || random.below(2) ? value : -value);
    }
    return { symbols: values, budget, complex: false, wide: false };
  });
}

/** (−1)^n */
const isAlternating = (node: Node) =>
  node.kind === "operation" &&
  node.op === "^" &&
  node.left.kind === "number" &&
  node.left.value.n < 0n &&
  node.right.kind !== "number";

/**
 * No value on the way may be huge or tiny: there doubles would forget the difference of exact numbers.
 *
 * True where the expressions agree at enough points and differ at none, false where they differ, undefined where it cannot tell.
 */
export function agreeBySampling(a: Node, b: Node, budget: Budget): boolean | undefined {
  const all = points([a, b], budget);
  let agreed = 0;
  for (const [i, point] of all.entries()) {
    const [x, y] = [evaluate(a, point), evaluate(b, point)];
    // Where a root or logarithm of a negative number was taken, its branch is a convention.
    if (point.complex && i >= all.length / 2 && all.length > 1) continue;
    if (point.wide) return undefined;
    const same = agree(x, y);
    if (same === false) return false;
    if (same) agreed++;
  }
  return agreed >= Math.min(NEEDED, all.length) ? true : undefined;
}

/** The constant c with a = c·b at all points that have values, if there is one; its sign is what inequalities ask. */
export function constantRatio(a: Node, b: Node, budget: Budget): number | undefined {
  let ratio: number | undefined;
  let agreed = 0;
  for (const point of points([a, b], budget)) {
    const [x, y] = [evaluate(a, point), evaluate(b, point)];
    if (point.wide) return undefined;
    if (![x, y].every(isClear)) continue;
    const here = x.re / y.re;
    if (ratio !== undefined && Math.abs(here - ratio) > 1e-9 * Math.abs(ratio)) return undefined;
    ratio = here;
    agreed++;
  }
  return agreed >= NEEDED ? ratio : undefined;
}

const isClear = (value: Value) =>
  Number.isFinite(value.re) && value.im === 0 && Math.abs(value.re) > 1e6 * value.error && value.re !== 0;

/** The double nearest to an expression without symbols, and its error. */
export function approximate(node: Node, budget: Budget): Value {
  return evaluate(node, { symbols: new Map(), budget, complex: false, wide: false });
}
