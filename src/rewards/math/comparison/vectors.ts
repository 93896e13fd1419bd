/** @file Sums of unit vectors, 2i + 3j − k, beside their coordinates. */

import { integer, ONE, ZERO } from "../algebra/rational.ts";
import { type Node, number, operation, some, substitute } from "../tree.ts";
import type { Comparison, Rule } from "./compare.ts";
import { all } from "./lists.ts";
import { columnOf } from "./rewrite.ts";

const UNITS = ["i", "j", "k"] as const;
const DRESSES = ["", "hat:", "vec:"] as const;

/** A sum of unit vectors and a tuple or a column that has its coefficients. */
export function vectors(comparison: Comparison, a: Node, b: Node, depth: number): Rule {
  const [x, y] = [coordinatesOf(a), coordinatesOf(b)];
  if (x && !y) {
    const given = coefficientsOf(comparison, b, x.length);
    return given && all(comparison, x, given, depth, "same coordinates");
  }
  const given = y && !x ? coefficientsOf(comparison, a, y.length) : undefined;
  return given && all(comparison, given, y!, depth, "same coordinates");
}

function coordinatesOf(node: Node): readonly Node[] | undefined {
  const items =
    node.kind === "sequence" ? node.items : node.kind === "matrix" ? (columnOf(node) ?? node.rows[0]) : undefined;
  return items?.length === 2 || items?.length === 3 ? items : undefined;
}

/** The coefficients of i, j and k, if a formula is a sum of their multiples. */
function coefficientsOf({ algebra }: Comparison, node: Node, length: number): Node[] | undefined {
  const has = (name: string) => some(node, (child) => child.kind === "symbol" && child.name === name);
  const dress = DRESSES.find((mark) => has(`${mark}j`) || has(`${mark}k`) || (mark !== "" && has(`${mark}i`)));
  if (node.kind !== "operation" || dress === undefined) return undefined;
  const names = UNITS.map((unit) => dress + unit);
  if (length === 2 && has(names[2]!)) return undefined;
  const at = (...values: bigint[]) =>
    names.reduce<Node>((tree, name, i) => substitute(tree, name, number(integer(values[i]!))), node);
  const [zero, one] = [number(ZERO), number(ONE)];
  const coefficients = [at(1n, 0n, 0n), at(0n, 1n, 0n), at(0n, 0n, 1n)];
  const sum = coefficients.reduce((left, right, i) =>
    operation("+", left, operation("*", right, number(integer([1n, 5n, -7n][i]!)))),
  );
  const isLinear = algebra.equal(at(0n, 0n, 0n), zero) && algebra.equal(at(1n, 5n, -7n), operation("*", one, sum));
  return isLinear ? coefficients.slice(0, length) : undefined;
}
