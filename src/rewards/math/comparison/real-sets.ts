/** @file Sets of real numbers, however they are described: intervals, unions, inequalities, conditions, exceptions. */

import type { Node } from "../tree.ts";
import type { Comparison } from "./compare.ts";
import { conditionOn } from "./conditions.ts";
import { ALL, complement, type End, endAt, intersection, type Piece, point, union, wholeNumbersIn } from "./pieces.ts";

/** Whether two descriptions are of one set; undefined where one is not understood, or neither says that it is a set. */
export function compareRealSets(comparison: Comparison, a: Node, b: Node): boolean | undefined {
  if (!describesSet(a) && !describesSet(b)) return undefined;
  const [name, other] = [variableOf(a), variableOf(b)];
  if (name !== undefined && other !== undefined && name !== other) return undefined;
  const [x, y] = [realSet(comparison, a), realSet(comparison, b)];
  if (!x || !y) return undefined;
  const same = (p: End, q: End) =>
    (p.at === q.at || Math.abs(p.at - q.at) < 1e-6 * Math.abs(p.at)) && isSame(comparison, p, q);
  return (
    x.length === y.length &&
    x.every((piece, i) => {
      const other = y[i]!;
      return (
        piece.lowOpen === other.lowOpen &&
        piece.highOpen === other.highOpen &&
        same(piece.low, other.low) &&
        same(piece.high, other.high)
      );
    })
  );
}

const isSame = ({ algebra }: Comparison, p: End, q: End) =>
  Number.isFinite(p.at) && Number.isFinite(q.at) ? algebra.equal(p.node, q.node) !== undefined : p.at === q.at;

const ORDERS = new Set(["<", "<=", ">", ">=", "!="]);

/** Whether a description can only mean a set: (1, 2) may also be a pair, and {1, 2} a list. */
function describesSet(node: Node): boolean {
  switch (node.kind) {
    case "relation":
      return node.ops.every((op) => ORDERS.has(op));
    case "union":
      return true;
    case "symbol":
      return node.name === "bb:R";
    case "call":
      return node.name === "set of";
    case "set":
      return !node.written && node.items.every(describesSet);
    default:
      return false;
  }
}

/** The letter that the relations of a description are about. */
function variableOf(node: Node): string | undefined {
  if (node.kind === "relation") return node.parts.find((part) => part.kind === "symbol")?.name as string | undefined;
  return node.kind === "set" && !node.written ? variableOf(node.items[0]!) : undefined;
}

/** The pieces of a set, in order. */
export function realSet(comparison: Comparison, node: Node): Piece[] | undefined {
  comparison.budget.spend(4);
  switch (node.kind) {
    case "symbol":
      return node.name === "bb:R" ? [ALL] : node.name === "emptyset" ? [] : undefined;
    case "sequence":
      return interval(node);
    case "set": {
      // "(−∞, 1) and (2, ∞)" are both, as is {1} beside an interval.
      if (!node.written && node.items.every((item) => item.kind === "sequence")) return unionOf(comparison, node.items);
      if (!node.written) return conditionOn(comparison, node, undefined);
      const points = node.items.map((item) => endAt(item));
      return points.every((end) => end !== undefined && Number.isFinite(end.at))
        ? union(points.map((end) => [point(end!)]))
        : undefined;
    }
    case "union":
      return combined(comparison, node);
    case "relation":
      return conditionOn(comparison, node, undefined);
    case "call": {
      const [variable, domain, condition] = node.args;
      if (node.name !== "set of" || variable.kind !== "symbol" || !domain || !condition) return undefined;
      const holds = conditionOn(comparison, condition, variable.name);
      if (holds && domain.kind === "symbol" && domain.name === "bb:Z") return wholeNumbersIn(holds);
      const within = realSet(comparison, domain);
      return within && holds && intersection(within, holds);
    }
    default:
      return undefined;
  }
}

function unionOf(comparison: Comparison, items: readonly Node[]): Piece[] | undefined {
  const sets = items.map((item) => realSet(comparison, item));
  return sets.every((set) => set !== undefined) ? union(sets as Piece[][]) : undefined;
}

function interval(node: Node & { kind: "sequence" }): Piece[] | undefined {
  if (node.items.length !== 2) return undefined;
  const [low, high] = node.items.map((item) => endAt(item));
  if (!low || !high || !(low.at < high.at)) return undefined;
  return [{ low, lowOpen: node.open === "(", high, highOpen: node.close === ")" }];
}

function combined(comparison: Comparison, node: Node & { kind: "union" }): Piece[] | undefined {
  if (node.op === "union") return unionOf(comparison, node.items);
  const sets = node.items.map((item) => realSet(comparison, item));
  if (!sets.every((set) => set !== undefined)) return undefined;
  const [first, ...others] = sets as Piece[][];
  if (node.op === "intersection") return others.reduce(intersection, first!);
  return others.map(complement).reduce(intersection, first!);
}
