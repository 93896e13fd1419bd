/** @file Equations, inequalities and ratios. */

import { minus } from "../algebra/matrix.ts";
import { constantRatio } from "../sampling/sample.ts";
import { type Node, operation, rename, some } from "../tree.ts";
import type { Comparison, Rule } from "./compare.ts";
import { all } from "./lists.ts";
import { isConstant, isLabel, saidBy } from "./relation.ts";
import { ascending, isSequence } from "./rewrite.ts";

type Chain = Node & { kind: "relation" };

const isRatio = (node: Chain) => node.ops.every((op) => op === ":");

/** An equation beside a value: what it says its name is. A ratio of two is their quotient. */
export function relationAndValue({ compare }: Comparison, a: Node, b: Node, depth: number): Rule {
  const isPrediction = a.kind === "relation";
  const [relation, other] = (isPrediction ? [a, b] : [b, a]) as [Chain, Node];
  const against = (value: Node) => (isPrediction ? compare(value, other, depth + 1) : compare(other, value, depth + 1));
  const time = other.kind === "text" && isRatio(relation) ? ratioOfTime(other.text) : undefined;
  if (time) return isPrediction ? compare(relation, time, depth + 1) : compare(time, relation, depth + 1);
  if (isRatio(relation) && relation.parts.length === 2 && other.kind !== "text")
    return against(operation("/", relation.parts[0]!, relation.parts[1]!)) && "ratio as quotient";
  if (other.kind === "set" && !relation.ops.includes("=")) return undefined;
  const value = saidBy(relation, isPrediction);
  return value && against(value);
}

/** 7:32 beside 7/32. */
export function timeAndValue({ compare }: Comparison, a: Node, b: Node, depth: number): Rule {
  if (a.kind === "text" && b.kind !== "text") {
    const ratio = ratioOfTime(a.text);
    return ratio && compare(ratio, b, depth + 1);
  }
  const ratio = b.kind === "text" && a.kind !== "text" ? ratioOfTime(b.text) : undefined;
  return ratio && compare(a, ratio, depth + 1);
}

/** 7:32, which by itself is read as a time of day. */
function ratioOfTime(text: string): Node | undefined {
  const parts = /^(\d{1,2}):(\d{2})$/.exec(text)?.slice(1);
  return (
    parts && {
      kind: "relation",
      parts: parts.map((n) => ({ kind: "number", value: { n: BigInt(n), d: 1n } })),
      ops: [":"],
    }
  );
}

/** Two relations: part by part, or up to a factor. */
export function relations(comparison: Comparison, a: Chain, b: Chain, depth: number): Rule {
  const { compare, algebra, budget } = comparison;
  if (depth > 8) return undefined;
  const [x, y] = [ascending(a), ascending(b)];
  if (isRatio(x) && isRatio(y)) return ratios(comparison, x, y, depth);
  if (isRatio(x) !== isRatio(y))
    return isRatio(x) ? saidOrNot(comparison, y, x, depth, false) : saidOrNot(comparison, x, y, depth, true);
  if (x.ops.join() !== y.ops.join()) return undefined;
  if (x.parts.every((part, i) => compare(part, y.parts[i]!, depth + 1))) return "same relation";
  if (x.ops.length !== 1) return undefined;
  const [op] = x.ops;
  const [left, right] = [x.parts[0]!, x.parts[1]!];
  const [left2, right2] = [y.parts[0]!, y.parts[1]!];
  if (op === "=") {
    if (isConstant(left) && (isConstant(left2) || isLabel(left2))) return compare(right, right2, depth + 1);
    const renamed = renamedDefinition(left, left2, right);
    if (renamed) return compare(renamed, right2, depth + 1) && "same definition";
    if (isSequence(right) || isSequence(right2)) return undefined;
  }
  if (op !== "=" && op !== "!=" && op !== "<" && op !== "<=") return undefined;
  const [f, g] = [operation("+", left, minus(right)), operation("+", left2, minus(right2))];
  const exact = algebra.proportion(f, g);
  const sign = exact ?? Math.sign(constantRatio(f, g, budget) ?? 0);
  if (op === "=" || op === "!=") return sign !== 0 ? "proportional equations" : undefined;
  return sign > 0 ? "proportional inequalities" : undefined;
}

/** A : B = 7 : 32 beside 7 : 32. */
function saidOrNot({ compare }: Comparison, equation: Chain, ratio: Chain, depth: number, isPrediction: boolean): Rule {
  const value = saidBy(equation, isPrediction);
  if (!value) return undefined;
  return isPrediction ? compare(value, ratio, depth + 1) : compare(ratio, value, depth + 1);
}

/** a : b : c up to a common factor. */
function ratios(comparison: Comparison, a: Chain, b: Chain, depth: number): Rule {
  if (a.parts.length !== b.parts.length) return undefined;
  const cross = (i: number) =>
    comparison.compare(operation("*", a.parts[0]!, b.parts[i]!), operation("*", b.parts[0]!, a.parts[i]!), depth + 1);
  const zero = (node: Node) => node.kind === "number" && node.value.n === 0n;
  if ([...a.parts, ...b.parts].some(zero)) return all(comparison, a.parts, b.parts, depth, "same ratio");
  return a.parts.slice(1).every((_, i) => cross(i + 1)) ? "same ratio" : undefined;
}

/** The right side of W(n) = … with the variable that W(x) = … uses. */
function renamedDefinition(a: Node, b: Node, right: Node): Node | undefined {
  if (a.kind !== "call" || b.kind !== "call" || a.name !== b.name || a.args.length !== b.args.length) return undefined;
  let renamed = right;
  for (const [i, from] of a.args.entries()) {
    const to = b.args[i]!;
    if (from.kind !== "symbol" || to.kind !== "symbol") return undefined;
    if (some(renamed, (node) => node.kind === "symbol" && node.name === to.name) && from.name !== to.name)
      return undefined;
    renamed = rename(renamed, from.name, to.name);
  }
  return renamed;
}
