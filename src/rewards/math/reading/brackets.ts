/** @file What stands in brackets: groups, tuples, intervals, sets and their conditions, |x|, ⌊x⌋. */

import { determinant } from "../algebra/matrix.ts";
import { call, type Node, symbol } from "../tree.ts";
import type { Cursor } from "./cursor.ts";
import { relation, separated, union } from "./parse.ts";
import { additive } from "./terms.ts";
import { type Token, unreadable } from "./tokens.ts";

/** The arguments up to a closing bracket. */
export function listUntil(cursor: Cursor, close: string): Node[] {
  const items: Node[] = [];
  while (!cursor.isBracket("close", close)) {
    items.push(relation(cursor));
    if (!cursor.takeSign(",", ";")) break;
  }
  cursor.expect(close);
  return items;
}

/** |x| and ‖x‖ */
export function absolute(cursor: Cursor, sign: string): Node {
  const inner = cursor.insideBars(1, () => additive(cursor));
  if (!cursor.takeSign(sign)) unreadable("a | is missing");
  if (sign === "norm") return call("norm", inner);
  return inner.kind === "matrix" ? determinant(inner.rows) : call("abs", inner);
}

/** The bracket at the cursor. */
export function bracketedAfter(cursor: Cursor): Node {
  const token = cursor.peek();
  cursor.skip();
  return token?.type === "open" ? bracketed(cursor, token.bracket) : unreadable("a bracket is missing");
}

/** What stands behind an open bracket, up to the one that closes it. */
export function bracketed(cursor: Cursor, open: string): Node {
  return cursor.insideBars(0, () => {
    if (open === "(" || open === "[") return roundOrSquare(cursor, open);
    if (open === "floor" || open === "ceil") {
      const inner = additive(cursor);
      cursor.expect(open);
      return call(open, inner);
    }
    if (cursor.isBracket("close", open)) {
      cursor.skip();
      return open === "set" ? symbol("emptyset") : unreadable("braces are empty");
    }
    const condition = open === "set" ? (conditionSet(cursor) ?? valueSet(cursor)) : undefined;
    if (condition) return condition;
    const list = separated(cursor);
    cursor.expect(open);
    if (open === "angle") return { kind: "sequence", open: "(", close: ")", items: itemsOf(list) };
    return open === "set" ? { kind: "set", written: true, joint: ",", items: itemsOf(list) } : list;
  });
}

/** {x ∈ D | condition}, with | or : and with or without the domain. */
function conditionSet(cursor: Cursor): Node | undefined {
  const { peek, skip, isSign } = cursor;
  const bound = peek();
  const next = peek(1);
  if (bound?.type !== "symbol") return undefined;
  const parted = (ahead: number) => {
    const token = peek(ahead);
    return isSign("|", ahead) || (token?.type === "relation" && token.op === ":");
  };
  const hasDomain = next?.type === "relation" && next.op === "in" && partsAhead(cursor);
  if (!parted(1) && !hasDomain) return undefined;
  skip(hasDomain ? 2 : 1);
  const domain = hasDomain ? cursor.insideBars(1, () => union(cursor)) : symbol("bb:R");
  if (!parted(0)) return unreadable("a condition is missing");
  skip();
  const condition = separated(cursor);
  cursor.expect("set");
  return call("set of", symbol(bound.name), domain, condition);
}

/** {2k | k ∈ ℤ}: the values of a formula. */
function valueSet(cursor: Cursor): Node | undefined {
  const { peek, skip, isSign } = cursor;
  const parts = (ahead: number) => {
    const token = peek(ahead);
    return isSign("|", ahead) || (token?.type === "relation" && token.op === ":");
  };
  let level = 0;
  const found: number[] = [];
  for (let ahead = 0; ahead < 80; ahead++) {
    const token = peek(ahead);
    if (!token) return undefined;
    if (token.type === "open") level++;
    else if (token.type === "close" && --level < 0) break;
    else if (level === 0 && parts(ahead)) found.push(ahead);
  }
  // One | cannot be a pair of bars.
  const declares = found.length === 1 && isDeclaration(peek(found[0]! + 1), peek(found[0]! + 2));
  if (!declares) return undefined;
  const value = cursor.insideBars(1, () => union(cursor));
  if (!parts(0)) return unreadable("a condition is missing");
  skip();
  const condition = separated(cursor);
  cursor.expect("set");
  return call("values of", value, condition);
}

const isDeclaration = (letter: Token | undefined, relation: Token | undefined) =>
  letter?.type === "symbol" && relation?.type === "relation" && relation.op === "in";

/** Whether a | or : stands before the set closes. */
function partsAhead({ peek }: Cursor): boolean {
  for (let ahead = 2; ahead < 40; ahead++) {
    const token = peek(ahead);
    if (!token || (token.type === "close" && token.bracket === "set")) return false;
    if ((token.type === "sign" && token.sign === "|") || (token.type === "relation" && token.op === ":")) return true;
  }
  return false;
}

function roundOrSquare(cursor: Cursor, open: "(" | "["): Node {
  const { peek, skip, isBracket } = cursor;
  const list = isBracket("close", open === "(" ? ")" : "]") ? undefined : separated(cursor);
  const token = peek();
  if (token?.type !== "close" || (token.bracket !== ")" && token.bracket !== "]"))
    return unreadable("a bracket is not closed");
  skip();
  const items = list ? itemsOf(list) : [];
  const matching = (open === "(") === (token.bracket === ")");
  return items.length === 1 && matching ? items[0]! : { kind: "sequence", open, close: token.bracket, items };
}

const itemsOf = (list: Node): Node[] => (list.kind === "set" && !list.written ? list.items : [list]);
