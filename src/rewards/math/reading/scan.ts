/** @file Where the scanner of an answer stands. */

import { type Push, type Token, Unreadable } from "./tokens.ts";

/** Where the scanner stands. */
export type Scan = {
  source: string;
  at: number;
  /** Of brackets, in which a comma parts items. */
  depth: number;
  space: boolean;
  tokens: Token[];
  push: Push;
  match: (pattern: RegExp) => RegExpExecArray | undefined;
};

/** The text between the brace at `from` and the one that closes it. */
export function braced(source: string, from: number): string {
  let level = 0;
  for (let i = from; i < source.length; i++)
    if (source[i] === "{") level++;
    else if (source[i] === "}" && --level === 0) return source.slice(from + 1, i);
  throw new Unreadable("a brace is not closed");
}

export const isDigit = (c: string | undefined) => c !== undefined && c >= "0" && c <= "9";
