/** @file Whether two expressions agree at seeded points: what decides where algebra cannot. */

import type { Budget } from "../limits.ts";
import type { Node } from "../tree.ts";
import { agree, type Value } from "./complex.ts";
import { evaluate, type Point } from "./evaluate.ts";
import { agreeExactly } from "./exact-values.ts";
import { type Sample, samplePoints } from "./points.ts";

const NEEDED = 3;

/**
 * No value on the way may be huge or tiny: there doubles would forget the difference of exact numbers.
 *
 * True where the expressions agree at enough points, on both sides of every kink, and differ at none; false where they
 * differ; undefined where it cannot tell.
 */
export function agreeBySampling(a: Node, b: Node, budget: Budget): boolean | undefined {
  const sample = samplePoints([a, b], budget);
  const { first, further, kinks } = sample;
  const agreed: Point[] = [];
  for (const [i, point] of first.entries()) {
    const same = agreeAt(a, b, point, sample, first.length > 1 && i >= first.length / 2);
    if (same === false) return false;
    if (point.wide) return undefined;
    if (same) agreed.push(point);
  }
  if (agreed.length < Math.min(NEEDED, first.length)) return undefined;
  let seen = 0;
  for (const point of further) {
    const same = agreeAt(a, b, point, sample, true);
    if (same === false) return false;
    if (!same) continue;
    seen++;
    agreed.push(point);
  }
  if (further.length > 0 && seen < NEEDED) return undefined;
  return kinks.every((kink) => areBothSidesSeen(kink, agreed)) ? true : undefined;
}

/** Whether two values are the same. `loose`: where a root or logarithm of a negative number was taken, its branch is a convention. */
function agreeAt(a: Node, b: Node, point: Point, sample: Sample, loose: boolean): boolean | undefined {
  // Whole numbers grow beyond what doubles hold.
  const exact = sample.discrete ? agreeExactly(a, b, point) : undefined;
  if (exact !== undefined) return exact;
  const x = evaluate(a, point);
  const complex = point.complex;
  point.complex = false;
  const y = evaluate(b, point);
  // √|x| has values where √x has none.
  if (sample.piecewise && complex !== point.complex && isKnown(x) && isKnown(y) && (x.im === 0) !== (y.im === 0))
    return false;
  const branched = complex || point.complex;
  point.complex = branched;
  if (branched && loose) return undefined;
  const same = agree(x, y);
  return same && point.wide ? undefined : same;
}

const isKnown = ({ re, im }: Value) => Number.isFinite(re) && Number.isFinite(im);

/** A law that holds on one side of a kink may fail on the other. */
function areBothSidesSeen(kink: Node, points: readonly Point[]): boolean {
  const sides = new Set<number>();
  for (const point of points) {
    const { re, im, error } = evaluate(kink, { ...point });
    if (im === 0 && Math.abs(re) > error) sides.add(Math.sign(re));
    if (sides.size === 2) return true;
  }
  return false;
}

/** The constant c with a = c·b at all points that have values, if there is one; its sign is what inequalities ask. */
export function constantRatio(a: Node, b: Node, budget: Budget): number | undefined {
  const { first, further } = samplePoints([a, b], budget);
  let ratio: number | undefined;
  let agreed = 0;
  for (const [i, point] of [...first, ...further].entries()) {
    const [x, y] = [evaluate(a, point), evaluate(b, point)];
    if (point.wide && i < first.length) return undefined;
    if (point.wide) continue;
    if ([x, y].some(isZero)) {
      if ([x, y].some(isClear)) return undefined;
      continue;
    }
    if (![x, y].every(isClear)) continue;
    const here = x.re / y.re;
    if (ratio !== undefined && Math.abs(here - ratio) > 1e-9 * Math.abs(ratio)) return undefined;
    ratio = here;
    agreed++;
  }
  return agreed >= NEEDED ? ratio : undefined;
}

const isZero = ({ re, im, error }: Value) => re === 0 && im === 0 && error === 0;
const isClear = (value: Value) =>
  Number.isFinite(value.re) && value.im === 0 && Math.abs(value.re) > 1e6 * value.error && value.re !== 0;

/** The double nearest to an expression without symbols, and its error. */
export function approximate(node: Node, budget: Budget): Value {
  return evaluate(node, { symbols: new Map(), budget, complex: false, wide: false });
}
