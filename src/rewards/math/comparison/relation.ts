/** @file What equations and inequalities say as answers: a value, an interval, or themselves. */

import { print } from "../print.ts";
import { BRACKET_FUNCTIONS, PREFIX_FUNCTIONS } from "../reading/words.ts";
import { children, type Node, some, symbols } from "../tree.ts";

type Chain = Node & { kind: "relation" };

/** x ∈ S as S, and a chain of equalities as its first and last part; what comes after ≈ is left out where = came before. */
export function simplifyRelation(node: Node): Node {
  if (node.kind !== "relation") return node;
  const { parts, ops } = node;
  if (ops.length === 1 && ops[0] === "in" && isLabel(parts[0]!)) return parts[1]!;
  // f(x) ≡ 0 for all x
  if (ops.length === 1 && ops[0] === "equiv" && parts[0]!.kind === "call" && !isBuiltIn(parts[0]!.name))
    return { ...node, ops: ["="] };
  const approximate = ops.indexOf("~");
  if (approximate === 0 && ops.length === 1)
    return isLabel(parts[0]!) && !isConstant(parts[0]!) ? { ...node, ops: ["="] } : parts[0]!;
  if (approximate > 0) return simplifyRelation(cut(node, approximate));
  if (approximate === 0) return simplifyRelation({ ...node, ops: ops.map((op) => (op === "~" ? "=" : op)) });
  if (ops.every((op) => op === "=" || op === "equiv") && ops.length > 1)
    return { kind: "relation", parts: [parts[0]!, parts.at(-1)!], ops: ["="] };
  if (ops.length === 1 && ops[0] === "=" && isLabel(parts[1]!) && !isLabel(parts[0]!))
    return { ...node, parts: [parts[1]!, parts[0]!] };
  return node;
}

/** x = y = 3 as x = 3 and y = 3. */
export function sharedValue(node: Node): Node {
  if (node.kind !== "relation" || node.ops.length < 2 || node.ops.some((op) => op !== "=")) return node;
  const names = node.parts.slice(0, -1);
  if (!names.every((name) => name.kind === "symbol")) return node;
  const items = names.map((name): Node => ({ kind: "relation", parts: [name, node.parts.at(-1)!], ops: ["="] }));
  return { kind: "set", written: false, joint: "and", items };
}

function cut(node: Chain, at: number): Node {
  return at === 0 ? node.parts[0]! : { ...node, parts: node.parts.slice(0, at + 1), ops: node.ops.slice(0, at) };
}

/** Whether a side only names what the other side is: x, f(2), |AB|, NO/BO, (p, q, r). */
export function isLabel(node: Node): boolean {
  switch (node.kind) {
    case "symbol":
    case "text":
      return true;
    case "operation":
      return (node.op === "*" || node.op === "/") && isLabel(node.left) && isLabel(node.right);
    case "call":
      return !isBuiltIn(node.name) || (node.args.length > 0 && node.args.every(isLabel));
    case "quantity":
      return isLabel(node.value);
    // A : B
    case "relation":
      return node.ops.every((op) => op === ":") && node.parts.every(isLabel);
    case "sequence":
      return node.items.length > 0 && node.items.every((item) => item.kind === "symbol");
    default:
      return false;
  }
}

const isBuiltIn = (name: string) =>
  PREFIX_FUNCTIONS.has(name) ||
  BRACKET_FUNCTIONS.has(name) ||
  ["abs", "norm", "root", "sum", "prod", "int", "mod", "pmod"].includes(name) ||
  name.endsWith(" base");

export const isConstant = (node: Node) =>
  symbols(node).size === 0 &&
  !some(node, (child) => child.kind === "text" || child.kind === "set" || child.kind === "sequence");

/** What an equation says its left side is, where that is a name or a computation. A prediction may also name a sum. */
export function saidBy(node: Chain, isPrediction: boolean): Node | undefined {
  if (node.ops.length !== 1 || (node.ops[0] !== "=" && node.ops[0] !== "equiv" && node.ops[0] !== "->"))
    return undefined;
  const [left, right] = [node.parts[0]!, node.parts[1]!];
  if (isLabel(left) || isConstant(left) || left.kind === "matrix" || (isPrediction && isSumOfLabels(left)))
    return right;
  return undefined;
}

const isSumOfLabels = (node: Node): boolean =>
  isLabel(node) ||
  (node.kind === "operation" && node.op === "+" && children(node).every((part) => isSumOfLabels(unsigned(part))));

const unsigned = (node: Node): Node =>
  node.kind === "operation" &&
  node.op === "*" &&
  node.left.kind === "number" &&
  node.left.value.n === -1n &&
  node.left.value.d === 1n
    ? node.right
    : node;

/** Equations whose names come back, such as p=5, q=2, p=7, q=2, as one list for each round. */
export function labelled(items: readonly Node[]): readonly Node[] {
  const names = items.map((item) =>
    item.kind === "relation" && item.ops.length === 1 && item.ops[0] === "=" && isLabel(item.parts[0]!)
      ? print(item.parts[0]!)
      : undefined,
  );
  if (names.some((name) => name === undefined) || new Set(names).size < 2 || new Set(names).size === names.length)
    return items;
  const rounds: Node[][] = [];
  let seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    if (rounds.length === 0 || seen.has(names[i]!)) {
      rounds.push([]);
      seen = new Set();
    }
    seen.add(names[i]!);
    rounds.at(-1)!.push(item);
  }
  return rounds.map((round): Node => ({ kind: "set", written: false, joint: "and", items: round }));
}
