/** @file For which real numbers inequalities hold: linear ones, |u| beside a constant, and several joined. */

import { minus } from "../algebra/matrix.ts";
import { integer, ratio } from "../algebra/rational.ts";
import { type Node, number, operation, type Relation, substitute, symbols } from "../tree.ts";
import type { Comparison } from "./compare.ts";
import { ALL, above, below, endAt, intersection, type Piece, point, union, without } from "./pieces.ts";
import { realSet } from "./real-sets.ts";

const FLIPPED: Partial<Record<Relation, Relation>> = { "<": ">", "<=": ">=", ">": "<", ">=": "<=" };

/** The numbers for which a condition holds; `name` is the letter it is about, found in it where it is not given. */
export function conditionOn(comparison: Comparison, node: Node, name: string | undefined): Piece[] | undefined {
  if (node.kind === "set" && !node.written) {
    const sets = node.items.map((item) => conditionOn(comparison, item, name));
    if (!sets.every((set) => set !== undefined)) return undefined;
    const [first, ...others] = sets as Piece[][];
    if (node.joint === "or") return union(sets as Piece[][]);
    const both = others.reduce(intersection, first!);
    // "k > 4, k < 0" cannot mean both at once.
    return node.joint === "and" || both.length > 0 ? both : union(sets as Piece[][]);
  }
  if (node.kind !== "relation") return name === undefined ? realSet(comparison, node) : undefined;
  const about = name ?? onlySymbol(node);
  if (about === undefined) return undefined;
  let result: Piece[] | undefined = [ALL];
  for (const [i, op] of node.ops.entries()) {
    const part = single(comparison, node.parts[i]!, op, node.parts[i + 1]!, about);
    if (!part) return undefined;
    result = intersection(result, part);
  }
  return result;
}

function onlySymbol(node: Node): string | undefined {
  const names = symbols(node);
  names.delete("bb:R");
  return names.size === 1 ? [...names][0] : undefined;
}

/** One comparison. */
function single(comparison: Comparison, left: Node, op: Relation, right: Node, name: string): Piece[] | undefined {
  if (op === "in") return left.kind === "symbol" && left.name === name ? realSet(comparison, right) : undefined;
  const difference = operation("+", left, minus(right));
  const absolute = left.kind === "call" && left.name === "abs" ? left : undefined;
  if (absolute) return aroundZero(comparison, absolute.args[0], op, right, name);
  const line = lineOf(comparison, difference, name);
  const end = line && endAt(line.zero);
  if (!line || !end) return undefined;
  const direction = line.rising ? op : (FLIPPED[op] ?? op);
  switch (direction) {
    case "<":
    case "<=":
      return [below(end, direction === "<")];
    case ">":
    case ">=":
      return [above(end, direction === ">")];
    case "!=":
      return without([ALL], end);
    case "=":
      return [point(end)];
    default:
      return undefined;
  }
}

/** |u| < c is −c < u < c. */
function aroundZero(comparison: Comparison, inner: Node, op: Relation, bound: Node, name: string): Piece[] | undefined {
  const end = endAt(bound);
  if (op === "!=" || op === "=") {
    const [one, other] = [
      single(comparison, inner, op, bound, name),
      single(comparison, inner, op, minus(bound), name),
    ];
    if (!end || !(end.at >= 0) || !one || !other) return undefined;
    return op === "=" ? union([one, other]) : intersection(one, other);
  }
  if (!end || !(end.at > 0) || !Number.isFinite(end.at) || !FLIPPED[op]) return undefined;
  const [upper, lower] = [
    single(comparison, inner, op, bound, name),
    single(comparison, inner, FLIPPED[op], minus(bound), name),
  ];
  if (!upper || !lower) return undefined;
  return op === "<" || op === "<=" ? intersection(upper, lower) : union([upper, lower]);
}

/** Where a linear expression is zero, and whether it rises. */
function lineOf({ algebra }: Comparison, node: Node, name: string): { zero: Node; rising: boolean } | undefined {
  const at = (n: bigint, d = 1n) => substitute(node, name, number(ratio(n, d)));
  const step = operation("+", at(1n), minus(at(0n)));
  const slope = endAt(step);
  if (!slope || slope.at === 0 || !Number.isFinite(slope.at)) return undefined;
  const onLine = (n: bigint, d: bigint) =>
    algebra.equal(at(n, d), operation("+", at(0n), operation("*", number(ratio(n, d)), step))) !== undefined;
  if (!onLine(7n, 3n) || !onLine(-5n, 1n) || !onLine(101n, 2n)) return undefined;
  if (node.kind === "operation" && node.op === "+" && node.left.kind === "symbol" && node.left.name === name)
    return { zero: minus(node.right), rising: true };
  return { zero: operation("/", operation("*", number(integer(-1)), at(0n)), step), rising: slope.at > 0 };
}
