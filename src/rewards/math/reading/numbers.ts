/** @file Numbers as they are written. */

import { add, type Rational, ratio } from "../algebra/rational.ts";
import { type Node, number } from "../tree.ts";
import type { Cursor } from "./cursor.ts";
import type { Token } from "./tokens.ts";

type NumberToken = Token & { type: "number" };

const FRACTIONS = new Set(["frac", "dfrac", "tfrac", "cfrac", "sfrac", "nicefrac", "flatfrac"]);

/** Whether a command writes a fraction. */
export const isFraction = (command: string): boolean => FRACTIONS.has(command);

export function plainNumber(token: NumberToken): Node {
  return token.decimals ? { kind: "number", value: token.value, decimals: token.decimals } : number(token.value);
}

/** A number, and the proper fraction behind it: 1 1/2 and 1\frac12 are sums. */
export function numberAt(cursor: Cursor, token: NumberToken): Node {
  const part = /^\d+$/.test(token.text) ? (slashFraction(cursor) ?? latexFraction(cursor)) : undefined;
  if (!part) return plainNumber(token);
  cursor.skip(part.length);
  return number(add(token.value, part.value));
}

type Part = { value: Rational; length: number };

function slashFraction({ peek, isSign }: Cursor): Part | undefined {
  const [top, bottom] = [peek(), peek(2)];
  if (top?.type !== "number") return undefined;
  if (top.text === "½") return { value: top.value, length: 1 };
  if (!top.space || !isSign("/", 1) || bottom?.type !== "number") return undefined;
  return proper(top.text, bottom.text, 3);
}

function latexFraction({ peek, isBracket }: Cursor): Part | undefined {
  const name = peek();
  if (name?.type !== "command" || !isFraction(name.name)) return undefined;
  const texts: string[] = [];
  let ahead = 1;
  while (texts.length < 2) {
    const wrapped = isBracket("open", "{", ahead);
    const token = peek(wrapped ? ahead + 1 : ahead);
    if (token?.type !== "number" || (wrapped && !isBracket("close", "{", ahead + 2))) return undefined;
    ahead += wrapped ? 3 : 1;
    if (wrapped || token.text.length === 1) texts.push(token.text);
    else if (token.text.length === 2 && texts.length === 0) texts.push(token.text[0]!, token.text[1]!);
    else return undefined;
  }
  return proper(texts[0]!, texts[1]!, ahead);
}

function proper(top: string, bottom: string, length: number): Part | undefined {
  if (!/^\d{1,40}$/.test(top) || !/^\d{1,40}$/.test(bottom) || BigInt(top) >= BigInt(bottom)) return undefined;
  return { value: ratio(BigInt(top), BigInt(bottom)), length };
}
