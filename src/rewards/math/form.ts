/** @file In which form an answer is given: a rule that rewards work should not be won by writing the work down as the answer. */

import type { Rational } from "./algebra/rational.ts";
import type { Node } from "./tree.ts";

export const FORMS = ["number", "expression", "any"] as const;
export type Form = (typeof FORMS)[number];

/**
 * number: one number, signed, decimal, a fraction of two integers, with a unit or in percent. expression: anything that is
 * computed, but no relation such as 5 + 6 = 11, and no words.
 */
export function hasForm(node: Node, form: Form): boolean {
  if (form === "any") return true;
  return form === "number" ? isNumber(node) : node.kind !== "relation" && node.kind !== "text";
}

function isNumber(node: Node): boolean {
  switch (node.kind) {
    case "number":
    case "based":
      return true;
    case "quantity":
    case "percent":
      return isNumber(node.value);
    case "operation":
      if (node.op === "/") return isWhole(node.left) && isWhole(node.right);
      return node.op === "*" && node.left.kind === "number" && isMinusOne(node.left.value) && isNumber(node.right);
    default:
      return false;
  }
}

const isWhole = (node: Node): boolean =>
  node.kind === "number"
    ? node.value.d === 1n && !node.decimals
    : node.kind === "operation" && node.op === "*" && isNumber(node) && isWhole(node.right);

const isMinusOne = ({ n, d }: Rational): boolean => n === -1n && d === 1n;
