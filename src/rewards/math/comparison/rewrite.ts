/** @file Answers in other forms that mean the same, and what kind of answer they are. */

import { minus } from "../algebra/matrix.ts";
import { map, type Node, operation, type Relation, some, symbol } from "../tree.ts";

/** A union of sets of elements as one set. */
export function mergedSets(node: Node): Node {
  if (node.kind !== "union" || node.op !== "union") return node;
  const items = node.items.map((item) => (item.kind === "set" && item.written ? item.items : undefined));
  return items.every((set) => set !== undefined)
    ? { kind: "set", written: true, joint: ",", items: items.flat() }
    : node;
}

export const isSequence = (node: Node) => node.kind === "sequence" || node.kind === "set" || node.kind === "matrix";

export const hasPlusMinus = (node: Node) => some(node, (child) => child.kind === "plus-minus");

/** An answer with ± as the two that it means; all its signs are taken together. */
export function expanded(node: Node): Node {
  if (node.kind === "set") {
    const items = node.items
      .map(expanded)
      .flatMap((item) => (item.kind === "set" && !item.written ? item.items : [item]));
    return { ...node, items };
  }
  if (!hasPlusMinus(node)) return node;
  const items = [withSigns(node, 1), withSigns(node, -1)];
  // x ≠ ±2 is neither.
  const joint = node.kind === "relation" && node.ops.includes("!=") ? "and" : "or";
  return { kind: "set", written: false, joint, items };
}

/** The tree with its upper (1) or lower (−1) signs. */
function withSigns(node: Node, upper: 1 | -1): Node {
  return map(node, (child) => {
    if (child.kind !== "plus-minus") return undefined;
    const right = withSigns(child.right, upper);
    const signed = child.upper * upper === 1 ? right : minus(right);
    return child.left ? operation("+", withSigns(child.left, upper), signed) : signed;
  });
}

/** The relation with < and ≤ instead of > and ≥. */
export function ascending(node: Node & { kind: "relation" }): Node & { kind: "relation" } {
  const flips: Partial<Record<Relation, Relation>> = { ">": "<", ">=": "<=" };
  if (!node.ops.every((op) => op === ">" || op === ">=")) return node;
  return { ...node, parts: [...node.parts].reverse(), ops: [...node.ops].reverse().map((op) => flips[op]!) };
}

export const columnOf = (matrix: Node & { kind: "matrix" }): Node[] | undefined =>
  matrix.rows.every((row) => row.length === 1) ? matrix.rows.flat() : undefined;

export const ALL_REALS: Node = {
  kind: "sequence",
  open: "(",
  close: ")",
  items: [minus(symbol("oo")), symbol("oo")],
};
