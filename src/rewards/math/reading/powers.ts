/** @file Powers, subscripts, and what stands behind a value: !, %, ′, units. */

import { matrixPower, minus, product } from "../algebra/matrix.ts";
import { integer } from "../algebra/rational.ts";
import { print } from "../print.ts";
import { call, type Node, number, operation, symbol } from "../tree.ts";
import { argument, atom } from "./atoms.ts";
import type { Cursor } from "./cursor.ts";
import { unitOf } from "./phrases.ts";
import { applied, subscripted } from "./symbols.ts";
import type { Token } from "./tokens.ts";

/** An atom with its exponents; a^b^c is a^(b^c). */
export function power(cursor: Cursor): Node {
  return cursor.nested(() => {
    const { skip, takeSign, isBracket, isCommand, isSign, isUnit } = cursor;
    let base = postfixed(cursor, atom(cursor));
    while (takeSign("^")) {
      const wrapped = isBracket("open", "{") ? 1 : 0;
      if (isCommand("circ", wrapped) || isCommand("degree", wrapped) || isUnit("degree", wrapped)) {
        skip(wrapped ? 3 : 1);
        base = { kind: "quantity", value: base, unit: temperature(cursor) ?? "degree" };
      } else if (isSign("'", wrapped)) {
        skip(wrapped);
        while (takeSign("'")) base = base.kind === "symbol" ? symbol(`${base.name}'`) : call("derivative", base);
        if (wrapped) cursor.expect("{");
        if (base.kind === "symbol") base = applied(cursor, base.name);
      } else if (wrapped && base.kind === "symbol" && isOrder(cursor)) {
        // f^{(2)} is a derivative.
        const order = cursor.peek(2) as Token & { type: "number" };
        skip(5);
        base = applied(cursor, `${base.name}^(${order.text})`);
      } else {
        const exponent = exponentAt(cursor);
        base = inverseFunction(cursor, base, exponent) ?? raised(base, exponent);
      }
      base = postfixed(cursor, base);
    }
    return base;
  });
}

/** {(2)} */
const isOrder = ({ peek, isBracket }: Cursor) =>
  isBracket("open", "(", 1) && peek(2)?.type === "number" && isBracket("close", ")", 3) && isBracket("close", "{", 4);

/** °C and °F, the letter in text or not. */
function temperature({ peek, skip }: Cursor): string | undefined {
  const token = peek();
  const letter = token?.type === "text" ? token.text : token?.type === "symbol" ? token.name : undefined;
  if ((letter !== "C" && letter !== "F") || (peek(1) && peek(1)!.type !== "close" && peek(1)!.type !== "sign"))
    return undefined;
  skip();
  return `°${letter}`;
}

function exponentAt(cursor: Cursor): Node {
  return cursor.nested(() => {
    const exponent = script(cursor);
    return cursor.takeSign("^") ? operation("^", exponent, exponentAt(cursor)) : exponent;
  });
}

function raised(base: Node, exponent: Node): Node {
  // (1, 2)^T is a column.
  const isTransposed = exponent.kind === "symbol" && ["T", "\\top", "\\intercal"].includes(exponent.name);
  if (base.kind === "sequence" && isTransposed) return { kind: "matrix", rows: base.items.map((item) => [item]) };
  if (base.kind === "matrix") return matrixPower(base.rows, exponent);
  return base.kind === "quantity" && base.unit !== "degree"
    ? { ...base, unit: `${base.unit}^${print(exponent)}` }
    : operation("^", base, exponent);
}

/** f^{-1}(x) */
function inverseFunction(cursor: Cursor, base: Node, exponent: Node): Node | undefined {
  if (base.kind !== "symbol" || !/^[fgh]$/.test(base.name) || !cursor.isBracket("open", "(")) return undefined;
  return exponent.kind === "number" && exponent.value.n === -1n && exponent.value.d === 1n
    ? applied(cursor, `${base.name}'^-1`)
    : undefined;
}

/** What ^ or _ governs: a group, or one token with its sign. */
export function script(cursor: Cursor): Node {
  return cursor.nested(() => {
    const { peek, skip, takeSign, isBracket, isSign } = cursor;
    if (isBracket("open", "{")) return nameOfFunction(cursor) ?? argument(cursor);
    const sign = takeSign("+", "-");
    if (sign) return sign === "-" ? minus(script(cursor)) : script(cursor);
    if (isSign("*")) {
      skip();
      return { kind: "symbol", name: "*" };
    }
    const value = peek()?.type === "number" ? argument(cursor) : atom(cursor);
    return takeSign("!") ? call("factorial", value) : value;
  });
}

/** v_{\max} */
function nameOfFunction({ peek, skip, isBracket }: Cursor): Node | undefined {
  const token = peek(1);
  if (token?.type !== "function" || !isBracket("close", "{", 2)) return undefined;
  skip(3);
  return { kind: "text", text: token.name };
}

function postfixed(cursor: Cursor, value: Node): Node {
  const { peek, skip, takeSign, isBracket, isCommand } = cursor;
  let node = value;
  for (;;) {
    const token = peek();
    if (token?.type === "sign") {
      if (token.sign === "!") {
        skip();
        node = call(takeSign("!") ? "double factorial" : "factorial", node);
      } else if (token.sign === "percent") {
        skip();
        node = { kind: "percent", value: node };
      } else if (token.sign === "'") {
        skip();
        node = node.kind === "symbol" ? applied(cursor, `${node.name}'`) : call("derivative", node);
      } else if (token.sign === "_") {
        const digits = writtenDigits(cursor);
        skip();
        // x^2_1 is x_1^2.
        const base =
          node.kind === "operation" && node.op === "^" && node.left.kind === "symbol" && !isBracket("close", ")", -2);
        node =
          base && node.kind === "operation"
            ? operation("^", subscripted(cursor, node.left), node.right)
            : subscripted(cursor, node, digits);
      } else return node;
    } else if (token?.type === "scale") {
      skip();
      node = product(node, number(integer(token.value)));
    } else if (isCommand("degree") || (isCommand("circ") && !isOperand(peek(1)))) {
      skip();
      node = { kind: "quantity", value: node, unit: "degree" };
    } else {
      const quantity = node.kind === "text" ? undefined : unitOf(cursor, node);
      if (!quantity) return node;
      node = quantity;
    }
  }
}

/** Whether a token begins what f ∘ g goes on with. */
const isOperand = (token: Token | undefined) =>
  token !== undefined && ["symbol", "function", "number", "open"].includes(token.type);

/** The digits before the cursor as they were written, in brackets or not: (2516)_8. */
function writtenDigits({ peek, isBracket }: Cursor): string | undefined {
  const wrapped =
    (isBracket("close", ")", -1) && isBracket("open", "(", -3)) ||
    (isBracket("close", "{", -1) && isBracket("open", "{", -3));
  const token = peek(wrapped ? -2 : -1);
  return token?.type === "number" ? token.text : undefined;
}
