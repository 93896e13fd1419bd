/** @file Lists, sets, tuples, unions and matrices. */

import { print } from "../print.ts";
import type { Node } from "../tree.ts";
import type { Comparison, Rule } from "./compare.ts";
import { labelled } from "./relation.ts";
import { ALL_REALS, columnOf, expanded, mergedSets } from "./rewrite.ts";

/** ± means both values. */
export function plusMinus(comparison: Comparison, a: Node, b: Node, depth: number): Rule {
  const [x, y] = [expanded(a), expanded(b)];
  if (x.kind === "set" && y.kind === "set") return matching(comparison, x.items, y.items, depth, true) && "both signs";
  return comparison.compare(x, y, depth + 1);
}

/** Two lists, or a list and what may say the same. */
export function lists(comparison: Comparison, a: Node, b: Node, depth: number): Rule {
  const { compare } = comparison;
  if (a.kind === "set" && b.kind === "set") {
    // p and q is not p or q, where solutions are listed with either.
    const isLogic = [...a.items, ...b.items].every((item) => item.kind === "symbol");
    if (isLogic && a.joint !== b.joint && a.joint !== "," && b.joint !== ",") return undefined;
    const [x, y] = [labelled(a.items), labelled(b.items)];
    const once = (a.written && b.written) || [...x, ...y].every((item) => item.kind === "sequence");
    return matching(comparison, x, y, depth, once) && "same elements";
  }
  const [list, other] = a.kind === "set" ? [a, b] : [b as Node & { kind: "set" }, a];
  // "1/2 or 0.5" is one answer.
  const [first, ...others] = list.items;
  if (list === a && a.joint === "or" && first && others.every((item) => compare(item, first, depth + 1)))
    return compare(first, other, depth + 1);
  const inOrder = (items: readonly Node[], rule: string) =>
    list === a ? all(comparison, list.items, items, depth, rule) : all(comparison, items, list.items, depth, rule);
  // {∅} holds something.
  const isOfSets = list.items.some((item) => item.kind === "symbol" && item.name === "emptyset");
  if (list.items.length === 1 && list.written && !isOfSets)
    return a.kind === "set" ? compare(list.items[0]!, other, depth + 1) : compare(other, list.items[0]!, depth + 1);
  // Two in square brackets are an interval.
  const isTuple =
    other.kind === "sequence" &&
    (other.open === "(" ? other.close === ")" : other.close === "]" && other.items.length > 2);
  if (other.kind === "sequence" && !list.written && isTuple) return inOrder(other.items, "in the same order");
  const column = other.kind === "matrix" && !list.written ? columnOf(other) : undefined;
  return column ? inOrder(column, "same entries") : undefined;
}

/** Whether each element has its own equal on the other side; with `once`, doubles count as one. */
export function matching(
  { compare }: Comparison,
  a: readonly Node[],
  b: readonly Node[],
  depth: number,
  once: boolean,
): Rule {
  if (depth > 8) return undefined;
  const [x, y] = once ? [distinct(a), distinct(b)] : [a, b];
  if (x.length !== y.length) return undefined;
  const free = new Set(y.keys());
  for (const [i, item] of x.entries()) {
    // Most lists come in the same order.
    const candidates = free.has(i) ? [i, ...free] : free;
    let found: number | undefined;
    for (const k of candidates) {
      found = compare(item, y[k]!, depth + 1) ? k : undefined;
      if (found !== undefined) break;
    }
    if (found === undefined) return undefined;
    free.delete(found);
  }
  return "same elements";
}

function distinct(items: readonly Node[]): Node[] {
  const byName = new Map(items.map((item) => [print(item), item]));
  return [...byName.values()];
}

/** Whether two lists of one length are equal item by item. */
export function all(
  { compare }: Comparison,
  a: readonly Node[],
  b: readonly Node[],
  depth: number,
  rule: string,
): Rule {
  return depth <= 8 && a.length === b.length && a.every((item, i) => compare(item, b[i]!, depth + 1))
    ? rule
    : undefined;
}

/** Tuples and intervals, and a tuple beside a column or rows. */
export function sequences(comparison: Comparison, a: Node, b: Node, depth: number): Rule {
  if (a.kind === "sequence" && b.kind === "sequence") {
    if (a.open !== b.open || a.close !== b.close) return undefined;
    return all(
      comparison,
      a.items,
      b.items,
      depth,
      a.items.length === 2 ? "same interval or pair" : "in the same order",
    );
  }
  const [sequence, other] = a.kind === "sequence" ? [a, b] : [b as Node & { kind: "sequence" }, a];
  if (other.kind === "symbol" && other.name === "bb:R")
    return print(sequence) === print(ALL_REALS) ? "all real numbers" : undefined;
  if (other.kind !== "matrix") return undefined;
  const entries = sequence.items.every((row) => row.kind === "sequence")
    ? rowsOf(sequence, other.rows[0]!.length)
    : sequence.items;
  const column = sequence.items.every((row) => row.kind === "sequence") ? other.rows.flat() : columnOf(other);
  if (!column || !entries) return undefined;
  return sequence === a
    ? all(comparison, entries, column, depth, "same entries")
    : all(comparison, column, entries, depth, "same entries");
}

/** The cells of [[1, 2], [3, 4]], if its rows are that long. */
function rowsOf(sequence: Node & { kind: "sequence" }, length: number): Node[] | undefined {
  const rows = sequence.items.map((row) => (row.kind === "sequence" ? row.items : []));
  return rows.every((row) => row.length === length) ? rows.flat() : undefined;
}

/** Unions and intersections in any order, differences in theirs. */
export function unions(comparison: Comparison, a: Node, b: Node, depth: number): Rule {
  const [x, y] = [mergedSets(a), mergedSets(b)];
  if (x !== a || y !== b) return comparison.compare(x, y, depth + 1);
  if (a.kind === "set" || b.kind === "set") return lists(comparison, a, b, depth);
  if (a.kind !== "union" || b.kind !== "union" || a.op !== b.op) return undefined;
  return a.op === "difference"
    ? all(comparison, a.items, b.items, depth, "same sets")
    : matching(comparison, a.items, b.items, depth, true) && "same sets";
}

/** Matrices, entry by entry. */
export function matrices(comparison: Comparison, a: Node, b: Node, depth: number): Rule {
  if (a.kind !== "matrix" || b.kind !== "matrix") return undefined;
  if (a.rows[0]!.length !== b.rows[0]!.length) return undefined;
  return all(comparison, a.rows.flat(), b.rows.flat(), depth, "same entries");
}
