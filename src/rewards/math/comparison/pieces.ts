/** @file Intervals and points of the real line, and what can be done with them. */

import { minus } from "../algebra/matrix.ts";
import { integer } from "../algebra/rational.ts";
import { openBudget } from "../limits.ts";
import { approximate } from "../sampling/sample.ts";
import { type Node, number, symbol } from "../tree.ts";
import { isConstant } from "./relation.ts";

/** An end of an interval, and where it lies as a double. */
export type End = { node: Node; at: number };

/** What lies between two ends; a point is between itself and itself. */
export type Piece = { low: End; lowOpen: boolean; high: End; highOpen: boolean };

const INFINITY: End = { node: symbol("oo"), at: Number.POSITIVE_INFINITY };
const MINUS_INFINITY: End = { node: minus(symbol("oo")), at: Number.NEGATIVE_INFINITY };

export const ALL: Piece = { low: MINUS_INFINITY, lowOpen: true, high: INFINITY, highOpen: true };

export const point = (end: End): Piece => ({ low: end, lowOpen: false, high: end, highOpen: false });
export const above = (low: End, lowOpen: boolean): Piece => ({ ...ALL, low, lowOpen });
export const below = (high: End, highOpen: boolean): Piece => ({ ...ALL, high, highOpen });

/** A constant or an infinity as an end. */
export function endAt(node: Node): End | undefined {
  if (node.kind === "symbol" && node.name === "oo") return INFINITY;
  if (
    node.kind === "operation" &&
    node.op === "*" &&
    node.left.kind === "number" &&
    node.right.kind === "symbol" &&
    node.right.name === "oo"
  )
    return node.left.value.n < 0n ? MINUS_INFINITY : INFINITY;
  if (!isConstant(node)) return undefined;
  const { re, im, error } = approximate(node, openBudget(2_000));
  return Number.isFinite(re) && Math.abs(im) <= error ? { node, at: re } : undefined;
}

const isNear = (a: number, b: number) =>
  a === b ||
  (Number.isFinite(a) && Number.isFinite(b) && Math.abs(a - b) <= 1e-12 * Math.max(Math.abs(a), Math.abs(b)));

/** Pieces that touch or overlap as one, in order. */
export function union(sets: readonly (readonly Piece[])[]): Piece[] {
  const pieces = sets
    .flat()
    .sort((a, b) => (isNear(a.low.at, b.low.at) ? Number(a.lowOpen) - Number(b.lowOpen) : a.low.at - b.low.at));
  const result: Piece[] = [];
  for (const piece of pieces) {
    const last = result.at(-1);
    const touching =
      last && (isNear(last.high.at, piece.low.at) ? !(last.highOpen && piece.lowOpen) : piece.low.at < last.high.at);
    if (!touching) result.push(piece);
    else if (isNear(last.high.at, piece.high.at))
      result[result.length - 1] = { ...last, highOpen: last.highOpen && piece.highOpen };
    else if (piece.high.at > last.high.at)
      result[result.length - 1] = { ...last, high: piece.high, highOpen: piece.highOpen };
  }
  return result;
}

/** What lies in both sets. */
export function intersection(a: readonly Piece[], b: readonly Piece[]): Piece[] {
  const result: Piece[] = [];
  for (const x of a)
    for (const y of b) {
      const [low, lowOpen] = isNear(x.low.at, y.low.at)
        ? [x.low, x.lowOpen || y.lowOpen]
        : x.low.at > y.low.at
          ? [x.low, x.lowOpen]
          : [y.low, y.lowOpen];
      const [high, highOpen] = isNear(x.high.at, y.high.at)
        ? [x.high, x.highOpen || y.highOpen]
        : x.high.at < y.high.at
          ? [x.high, x.highOpen]
          : [y.high, y.highOpen];
      const isPoint = isNear(low.at, high.at);
      if (isPoint ? !lowOpen && !highOpen : low.at < high.at) result.push({ low, lowOpen, high, highOpen });
    }
  return union([result]);
}

/** A set without a point. */
export const without = (set: readonly Piece[], end: End): Piece[] => intersection(set, complement([point(end)]));

/** What does not lie in a set. */
export const complement = (set: readonly Piece[]): Piece[] =>
  set
    .map(({ low, lowOpen, high, highOpen }) => [
      ...(Number.isFinite(low.at) ? [below(low, !lowOpen)] : []),
      ...(Number.isFinite(high.at) ? [above(high, !highOpen)] : []),
    ])
    .reduce(intersection, [ALL]);

/** The whole numbers of a bounded set; undefined where there are too many. */
export function wholeNumbersIn(set: readonly Piece[]): Piece[] | undefined {
  const found: Piece[] = [];
  for (const { low, lowOpen, high, highOpen } of set) {
    if (!(high.at - low.at <= 200)) return undefined;
    for (let n = Math.ceil(low.at - 1e-9); n <= high.at + 1e-9; n++)
      if (!(lowOpen && isNear(n, low.at)) && !(highOpen && isNear(n, high.at)))
        found.push(point({ node: number(integer(BigInt(n))), at: n }));
  }
  return found;
}
