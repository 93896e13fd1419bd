/** @file Sums, products and signs. */

import { minus, product, quotient, sum } from "../algebra/matrix.ts";
import { compound } from "../comparison/quantities.ts";
import { call, type Node } from "../tree.ts";
import type { Cursor } from "./cursor.ts";
import { isDifferential, quotientOfDifferentials } from "./derivatives.ts";
import { unitAfter } from "./phrases.ts";
import { power } from "./powers.ts";
import { unreadable } from "./tokens.ts";
import { ACCENTS, DRESS } from "./words.ts";

const ATOM_COMMANDS: ReadonlySet<string> = new Set(
  `frac dfrac tfrac cfrac sfrac nicefrac flatfrac binom dbinom tbinom sqrt cbrt begin sum prod int iint oint lim e angle triangle
  measuredangle`.split(/\s+/),
);

/** a + b − c ± d */
export function additive(cursor: Cursor): Node {
  const { takeSign } = cursor;
  let left = term(cursor);
  for (let sign = takeSign("+", "-", "pm", "mp"); sign; sign = takeSign("+", "-", "pm", "mp")) {
    const right = term(cursor);
    if (sign === "pm" || sign === "mp") left = { kind: "plus-minus", upper: sign === "pm" ? 1 : -1, left, right };
    else left = withoutElements(sign, left, right) ?? sum(left, sign === "-" ? minus(right) : right);
  }
  return left;
}

/** ℝ − {3} */
function withoutElements(sign: string, left: Node, right: Node): Node | undefined {
  if (sign !== "-" || right.kind !== "set" || !right.written) return undefined;
  const isSet =
    left.kind === "sequence" || left.kind === "set" || (left.kind === "symbol" && /^(?:bb:)?[RZNQC]$/.test(left.name));
  return isSet ? { kind: "union", op: "difference", items: [left, right] } : undefined;
}

/** Of vectors × is no ·. */
const isVector = (node: Node) => node.kind === "symbol" && (node.name === "nabla" || node.name.startsWith("vec:"));

/** Factors with and without signs between them. */
export function term(cursor: Cursor): Node {
  const { peek, skip, takeSign, isSign, isCommand } = cursor;
  let left = signed(cursor);
  for (;;) {
    const unit = left.kind === "quantity" ? unitAfter(cursor, left) : undefined;
    if (unit) left = unit;
    else if (isSign("*")) {
      const isCross = (peek() as { cross?: true }).cross === true;
      skip();
      const right = signed(cursor);
      left = isCross && isVector(left) ? call("cross", left, right) : product(left, right);
    } else if (isCommand("circ")) {
      skip();
      left = call("composition", left, signed(cursor));
    } else if (takeSign("/"))
      left = isDifferential(left) ? quotientOfDifferentials(cursor, left) : quotient(left, signed(cursor));
    else if (isCommand("bmod") || isCommand("mod")) {
      skip();
      left = call("mod", left, signed(cursor));
    } else if (beginsFactor(cursor)) {
      const isNumber = cursor.peek()?.type === "number";
      const right = power(cursor);
      if (left.kind === "quantity" && isNumber && !compound(left, right)) return unreadable("words part two numbers");
      left = compound(left, right) ?? product(left, right);
    } else return left;
  }
}

/** A value with its signs. */
export function signed(cursor: Cursor): Node {
  return cursor.nested(() => {
    const sign = cursor.takeSign("+", "-", "pm", "mp");
    if (sign === "-") return minus(signed(cursor));
    if (sign === "+") return signed(cursor);
    if (sign) return { kind: "plus-minus", upper: sign === "pm" ? 1 : -1, left: undefined, right: term(cursor) };
    return power(cursor);
  });
}

/** Whether the next token begins a factor of a product without a sign. */
export function beginsFactor(cursor: Cursor): boolean {
  const { peek, isSign, isCommand } = cursor;
  const token = peek();
  switch (token?.type) {
    case "symbol":
    case "function":
      return true;
    case "number": {
      // Two plain numbers side by side are no product; after a power, a bracket or a letter they are.
      const last = peek(-1);
      return last?.type !== "number" || isSign("^", -2) || isSign("_", -2);
    }
    case "open":
      if (token.bracket === "(" && (isCommand("bmod", 1) || isCommand("mod", 1))) return false;
      return token.bracket !== "set" && token.bracket !== "angle";
    case "command":
      return ATOM_COMMANDS.has(token.name) || Object.hasOwn(ACCENTS, token.name) || DRESS.has(token.name);
    case "sign":
      return token.sign === "|" && !cursor.inBars();
    default:
      return false;
  }
}
