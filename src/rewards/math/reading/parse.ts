/** @file From tokens to a tree, by recursive descent: lists, relations, ratios and sets. */

import { call, type Node, type Relation } from "../tree.ts";
import { argument } from "./atoms.ts";
import { type Cursor, openCursor } from "./cursor.ts";
import { skipIntroduction, skipNouns, skipQualifier } from "./phrases.ts";
import { additive } from "./terms.ts";
import { unreadable } from "./tokens.ts";

const SEPARATORS = [",", ";", "and", "or"];
const SET_SIGNS = ["union", "intersection", "difference"];
/** Operators that stand between the two parts of a group. */
const BETWEEN: Readonly<Record<string, string>> = { choose: "binom", over: "/", brace: "stirling" };

/** The tree of an answer; throws `Unreadable` where it is no mathematics and `Beyond` at a limit. */
export function parse(source: string): Node {
  const cursor = openCursor(source);
  const node = separated(cursor);
  if (cursor.peek()) unreadable("something follows the answer");
  return node;
}

/** Items between separators. Semicolons group the items between commas. */
export function separated(cursor: Cursor): Node {
  const { peek, skip, takeSign, isSign, isCommand } = cursor;
  const groups: Node[][] = [[]];
  let joint: "," | "and" | "or" = ",";
  let semicolons = 0;
  while (isSign("newline")) skip();
  do {
    if (isCommand("dots") || isCommand("ldots") || isCommand("cdots")) {
      skip();
      groups.at(-1)!.push({ kind: "symbol", name: "dots" });
    } else if (groups.some((group) => group.length > 0) && skipQualifier(cursor)) break;
    else groups.at(-1)!.push(relation(cursor));
    let separator = takeSign(...SEPARATORS);
    if (!separator) break;
    for (; separator; separator = takeSign(...SEPARATORS))
      if (separator === ";") {
        semicolons++;
        groups.push([]);
      } else if (separator === "and" || separator === "or") joint = separator;
  } while (peek() && peek()!.type !== "close");
  const full = groups.filter((group) => group.length > 0);
  const set = (items: Node[]): Node => (items.length === 1 ? items[0]! : { kind: "set", written: false, joint, items });
  return semicolons > 0 && full.some((group) => group.length > 1) ? set(full.map(set)) : set(full.flat());
}

/** A chain of comparisons: a < x ≤ b. */
export function relation(cursor: Cursor): Node {
  return cursor.nested(() => {
    const { peek, skip } = cursor;
    skipIntroduction(cursor);
    const parts = [ratio(cursor)];
    const ops: Relation[] = [];
    for (let token = peek(); token?.type === "relation"; token = peek()) {
      skip();
      ops.push(token.op);
      skipIntroduction(cursor);
      parts.push(ratio(cursor));
    }
    if (!skipQualifier(cursor)) skipNouns(cursor);
    const modulus = modulusAfter(cursor);
    if (modulus) parts.push(call("pmod", parts.pop()!, modulus));
    return ops.length === 0 ? parts[0]! : { kind: "relation", parts, ops };
  });
}

/** a : b : c */
function ratio(cursor: Cursor): Node {
  const parts = [union(cursor)];
  for (let token = cursor.peek(); token?.type === "relation" && token.op === ":"; token = cursor.peek()) {
    cursor.skip();
    parts.push(union(cursor));
  }
  return parts.length === 1 ? parts[0]! : { kind: "relation", parts, ops: parts.slice(1).map(() => ":" as const) };
}

/** (mod 5), written with \pmod or in brackets. */
function modulusAfter(cursor: Cursor): Node | undefined {
  const { skip, isCommand, isBracket } = cursor;
  if (isCommand("pmod") || isCommand("pod")) {
    skip();
    return argument(cursor);
  }
  if (!isBracket("open", "(") || !(isCommand("bmod", 1) || isCommand("mod", 1))) return undefined;
  skip(2);
  const modulus = additive(cursor);
  cursor.expect(")");
  return modulus;
}

/** Sets joined by one sign. */
export function union(cursor: Cursor): Node {
  const items = [between(cursor)];
  let op: "union" | "intersection" | "difference" | undefined;
  for (let sign = cursor.takeSign(...SET_SIGNS); sign; sign = cursor.takeSign(...SET_SIGNS)) {
    if (op && op !== sign) unreadable("unions and intersections are mixed without brackets");
    op = sign as NonNullable<typeof op>;
    items.push(between(cursor));
  }
  return op ? { kind: "union", op, items } : items[0]!;
}

/** n \choose k */
function between(cursor: Cursor): Node {
  const left = additive(cursor);
  const token = cursor.peek();
  const name = token?.type === "command" ? BETWEEN[token.name] : undefined;
  if (!name) return left;
  cursor.skip();
  const right = additive(cursor);
  return name === "/" ? { kind: "operation", op: "/", left, right } : call(name, left, right);
}
