/** @file Symbols and functions with their arguments and subscripts. */

import { determinant, minus, sum } from "../algebra/matrix.ts";
import { integer } from "../algebra/rational.ts";
import { print } from "../print.ts";
import { call, type Node, number, operation, symbol } from "../tree.ts";
import { root } from "./atoms.ts";
import { bracketedAfter, listUntil } from "./brackets.ts";
import type { Cursor } from "./cursor.ts";
import { functionOf, standardName } from "./functions.ts";
import { numberInWords } from "./number-words.ts";
import { power, script } from "./powers.ts";
import { beginsFactor } from "./terms.ts";
import { unreadable } from "./tokens.ts";
import { PREFIX_FUNCTIONS } from "./words.ts";

/** Letters that name functions wherever a bracket follows. */
const FUNCTION_LETTERS = /^[fghFGH](?:_.*|'+|'\^-1)?$/;

/** A symbol, or a function of the bracket that follows it. */
export function applied(cursor: Cursor, name: string): Node {
  const { skip, isBracket } = cursor;
  if (!isBracket("open", "(")) return symbol(name);
  if (name === "Gamma") {
    skip();
    const [of, ...others] = listUntil(cursor, ")");
    // Γ(n) = (n − 1)!
    return of && others.length === 0 ? call("factorial", sum(of, number(integer(-1)))) : functionOf("Γ", []);
  }
  if (!FUNCTION_LETTERS.test(name) && !isDefinition(cursor)) return symbol(name);
  skip();
  return functionOf(name, listUntil(cursor, ")"));
}

/** Whether "=" follows the bracket here, and nothing but a symbol stands before it: "W(n) =". */
function isDefinition({ peek }: Cursor): boolean {
  if (peek(-1)?.type !== "symbol") return false;
  const before = peek(-2);
  if (before && !(before.type === "sign" && [",", ";", "and", "or"].includes(before.sign))) return false;
  let level = 0;
  for (let ahead = 0; ahead < 16; ahead++) {
    const token = peek(ahead);
    if (token?.type === "open") level++;
    if (token?.type === "close" && --level === 0) {
      const next = peek(ahead + 1);
      return next?.type === "relation" && next.op === "=";
    }
  }
  return false;
}

/** ∠ABC and △ABC are one symbol each. */
export function geometric({ peek, skip }: Cursor, name: string): Node {
  let letters = "";
  for (let token = peek(); token?.type === "symbol"; token = peek()) {
    letters += token.name;
    skip();
  }
  return symbol(`${name} ${letters}`);
}

/** x_1, a_{n+1}, and the digits of a number in a base. */
export function subscripted(cursor: Cursor, node: Node, digits?: string): Node {
  const index = script(cursor);
  if (node.kind === "symbol") return applied(cursor, `${node.name}_${print(index)}`);
  if (node.kind !== "number") return call("index", node, index);
  if (digits === undefined) return unreadable("a subscript stands alone");
  const inWords = index.kind === "text" ? numberInWords(index.text) : undefined;
  const base = inWords && inWords.d === 1n ? `${inWords.n}` : print(index);
  // Base ten is how numbers are written.
  if (base === "10" && /^\d+$/.test(digits)) return node;
  return { kind: "based", digits: digits.replace(/^0+(?=\d)/, ""), base };
}

/** sin x, log_2(x), max(a, b), with exponents before the argument. */
export function application(cursor: Cursor, name: string): Node {
  const { skip, takeSign, isBracket } = cursor;
  let base: Node | undefined;
  let exponent: Node | undefined;
  for (let sign = takeSign("_", "^"); sign; sign = takeSign("_", "^"))
    if (sign === "_") base = script(cursor);
    else exponent = script(cursor);
  const standard = standardName(name);
  if (standard === "sqrt" || standard === "cbrt") return root(cursor, standard);
  let args: readonly Node[];
  if (isBracket("open", "(")) {
    skip();
    args = cursor.insideBars(0, () => listUntil(cursor, ")"));
  } else args = isBracket("open", "set") ? setArguments(cursor) : [functionArgument(cursor)];
  const inverse = exponent?.kind === "number" && exponent.value.n === -1n && exponent.value.d === 1n;
  if (inverse && PREFIX_FUNCTIONS.has(`arc${standard}`)) return functionOf(`arc${standard}`, args);
  if (standard === "det" && args[0]?.kind === "matrix") return determinant(args[0].rows);
  const value = base ? functionOf(`${standard} base`, [base, ...args]) : functionOf(standard, args);
  return exponent ? operation("^", value, exponent) : value;
}

function setArguments(cursor: Cursor): readonly Node[] {
  const list = bracketedAfter(cursor);
  return list.kind === "set" ? list.items : [list];
}

/** The product of plain factors after a function without brackets: sin 2x. */
function functionArgument(cursor: Cursor): Node {
  if (cursor.takeSign("-")) return minus(functionArgument(cursor));
  let node = power(cursor);
  while (beginsFactor(cursor)) {
    const token = cursor.peek()!;
    if (token.type === "function" || (token.type === "open" && token.bracket !== "{")) break;
    node = operation("*", node, power(cursor));
  }
  return node;
}
