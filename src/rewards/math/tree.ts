/** @file What an answer is read as. */

import type { Rational } from "./algebra/rational.ts";

/** How a decimal was written: it stands for anything that rounds to it. */
export type Decimals = { fraction: number; significant: number };

export type Operator = "+" | "*" | "/" | "^";

export type Relation = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "in" | "equiv" | ":" | "->";

export type Node =
  | { kind: "number"; value: Rational; decimals?: Decimals }
  | { kind: "symbol"; name: string }
  /** Sums and products of two; a − b is a + (−1)·b. */
  | { kind: "operation"; op: Operator; left: Node; right: Node }
  | { kind: "call"; name: string; args: readonly [Node, ...Node[]] }
  /** Upper sign first: ± is 1, ∓ is −1. */
  | { kind: "plus-minus"; upper: 1 | -1; left: Node | undefined; right: Node }
  | { kind: "quantity"; value: Node; unit: string }
  | { kind: "percent"; value: Node }
  /** Written in brackets: tuples, intervals, ordered lists. */
  | { kind: "sequence"; open: "(" | "["; close: ")" | "]"; items: Node[] }
  /** In braces (`written`), or a bare list, joined by commas, "and" or "or". */
  | { kind: "set"; written: boolean; joint: "," | "and" | "or"; items: Node[] }
  | { kind: "union"; op: "union" | "intersection" | "difference"; items: Node[] }
  | { kind: "matrix"; rows: Node[][] }
  | { kind: "relation"; parts: Node[]; ops: Relation[] }
  /** A number written in a base. */
  | { kind: "based"; digits: string; base: string }
  | { kind: "text"; text: string };

export const number = (value: Rational): Node => ({ kind: "number", value });
export const symbol = (name: string): Node => ({ kind: "symbol", name });
export const call = (name: string, ...args: readonly [Node, ...Node[]]): Node => ({ kind: "call", name, args });
export const operation = (op: Operator, left: Node, right: Node): Node => ({ kind: "operation", op, left, right });

/** The nodes right below one. */
export function children(node: Node): readonly Node[] {
  switch (node.kind) {
    case "operation":
      return [node.left, node.right];
    case "call":
      return node.args;
    case "plus-minus":
      return node.left ? [node.left, node.right] : [node.right];
    case "quantity":
    case "percent":
      return [node.value];
    case "sequence":
    case "set":
    case "union":
      return node.items;
    case "matrix":
      return node.rows.flat();
    case "relation":
      return node.parts;
    default:
      return [];
  }
}

/** The same node over other children, in the order of `children`. */
export function withChildren(node: Node, nodes: readonly Node[]): Node {
  switch (node.kind) {
    case "operation":
      return { ...node, left: nodes[0]!, right: nodes[1]! };
    case "call":
      return { ...node, args: nodes as readonly [Node, ...Node[]] };
    case "plus-minus":
      return node.left ? { ...node, left: nodes[0]!, right: nodes[1]! } : { ...node, right: nodes[0]! };
    case "quantity":
    case "percent":
      return { ...node, value: nodes[0]! };
    case "sequence":
    case "set":
    case "union":
      return { ...node, items: [...nodes] };
    case "matrix": {
      let at = 0;
      return { ...node, rows: node.rows.map((row) => row.map(() => nodes[at++]!)) };
    }
    case "relation":
      return { ...node, parts: [...nodes] };
    default:
      return node;
  }
}

export const map = (node: Node, change: (node: Node) => Node | undefined): Node =>
  change(node) ??
  withChildren(
    node,
    children(node).map((child) => map(child, change)),
  );

export const some = (node: Node, test: (node: Node) => boolean): boolean =>
  test(node) || children(node).some((child) => some(child, test));

/** Names of the free symbols, in order of appearance. */
export function symbols(node: Node, found = new Set<string>()): Set<string> {
  if (node.kind === "symbol" && !CONSTANTS.has(node.name)) found.add(node.name);
  for (const child of children(node)) symbols(child, found);
  return found;
}

/** Symbols with a value. */
export const CONSTANTS: ReadonlySet<string> = new Set(["pi", "e", "i", "oo"]);

/** The tree with a symbol replaced. */
export const substitute = (node: Node, name: string, by: Node): Node =>
  map(node, (child) => (child.kind === "symbol" && child.name === name ? by : undefined));

/** The tree with one symbol for another. */
export const rename = (node: Node, from: string, to: string) => substitute(node, from, symbol(to));
