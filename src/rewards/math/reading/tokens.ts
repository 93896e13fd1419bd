/** @file What an answer's text is cut into. */

import type { Rational } from "../algebra/rational.ts";
import type { Decimals, Relation } from "../tree.ts";

export type Token = { space: boolean } & (
  | { type: "number"; text: string; value: Rational; decimals?: Decimals }
  | { type: "symbol"; name: string }
  | { type: "function"; name: string }
  | { type: "relation"; op: Relation }
  /** + - * / ^ _ ! | & , ; and newline, percent, pm, mp, union, intersection, difference, norm, ', and, or */
  | { type: "sign"; sign: string; cross?: true }
  /** ( [ { for groups, set for \{, and floor, ceil, angle */
  | { type: "open" | "close"; bracket: string }
  | { type: "command"; name: string }
  | { type: "text"; text: string }
  | { type: "unit"; name: string }
  | { type: "scale"; value: bigint }
  | { type: "word"; text: string }
);

export type Unspaced<T> = T extends unknown ? Omit<T, "space"> : never;
export type Push = (token: Unspaced<Token>) => void;

/** Thrown where a text is no mathematics, which is caught; a trace of the stack would take longer than the reading. */
export class Unreadable extends Error {
  override name = "Unreadable";

  constructor(message: string) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
  }
}

export const unreadable = (what: string): never => {
  throw new Unreadable(what);
};

/** Whether a unit may follow. */
export const isValue = (token: Token | undefined): boolean =>
  token !== undefined &&
  (["number", "close", "unit", "scale"].includes(token.type) || (token.type === "symbol" && token.name === "pi"));

export const isSignToken = (token: Token | undefined, ...signs: string[]): boolean =>
  token?.type === "sign" && signs.includes(token.sign);
