/** @file dy/dx is no fraction whose d could be cancelled. */

import { quotient } from "../algebra/matrix.ts";
import { call, type Node, operation, symbol } from "../tree.ts";
import type { Cursor } from "./cursor.ts";
import { power } from "./powers.ts";

const MARKS = new Set(["d", "partial"]);

/** The d or ∂ with which a product or power begins. */
function markOf(node: Node): string | undefined {
  if (node.kind === "symbol") return MARKS.has(node.name) ? node.name : undefined;
  return node.kind === "operation" && (node.op === "*" || node.op === "^") ? markOf(node.left) : undefined;
}

/** Whether a value may be the top of a derivative: d, dy, d²y. */
export const isDifferential = (node: Node): boolean => markOf(node) !== undefined;

/** A fraction, or the derivative that it writes. */
export function fractionOrDerivative(top: Node, bottom: Node): Node {
  const mark = markOf(top);
  return mark !== undefined && mark === markOf(bottom) && bottom.kind === "operation"
    ? call("derivative", top, bottom)
    : quotient(top, bottom);
}

/** dy/dx on one line: what follows the stroke is d and the letter right behind it. */
export function quotientOfDifferentials(cursor: Cursor, top: Node): Node {
  const [mark, letter] = [cursor.peek(), cursor.peek(1)];
  const isMark = mark?.type === "symbol" && MARKS.has(mark.name);
  if (!isMark || letter?.type !== "symbol" || letter.space) return operation("/", top, power(cursor));
  cursor.skip();
  return fractionOrDerivative(top, operation("*", symbol(mark.name), power(cursor)));
}
