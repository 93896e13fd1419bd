/** @file A place in a list of tokens. */

import { Beyond, LIMITS } from "../limits.ts";
import { lex } from "./lex.ts";
import { isSignToken, type Token, Unreadable } from "./tokens.ts";

export type Cursor = ReturnType<typeof openCursor>;

/** The tokens of a text, and where the parser stands in them. */
export function openCursor(source: string) {
  const tokens = lex(source);
  let at = 0;
  let depth = 0;
  const peek = (ahead = 0): Token | undefined => tokens[at + ahead];
  const isBracket = (type: "open" | "close", bracket: string, ahead = 0) => {
    const token = peek(ahead);
    return token?.type === type && token.bracket === bracket;
  };
  let bars = 0;
  return {
    /** Whether a |…| is open: inside one, | closes. */
    inBars: () => bars > 0,
    /** What stands inside this many |…|, whatever is open around it. */
    insideBars: <T>(count: number, inner: () => T): T => {
      const before = bars;
      bars = count;
      const result = inner();
      bars = before;
      return result;
    },
    peek,
    skip: (count = 1) => {
      at += count;
    },
    isBracket,
    isCommand: (name: string, ahead = 0) => {
      const token = peek(ahead);
      return token?.type === "command" && token.name === name;
    },
    isSign: (sign: string, ahead = 0) => {
      const token = peek(ahead);
      return token?.type === "sign" && token.sign === sign;
    },
    isUnit: (name: string, ahead = 0) => {
      const token = peek(ahead);
      return token?.type === "unit" && token.name === name;
    },
    takeSign: (...signs: string[]): string | undefined => {
      const token = peek();
      if (token?.type !== "sign" || !signs.includes(token.sign)) return undefined;
      at++;
      return token.sign;
    },
    takeText: (): string => {
      const token = peek();
      if (token?.type !== "text") throw new Unreadable("a name in braces is missing");
      at++;
      return token.text;
    },
    expect: (bracket: string) => {
      if (!isBracket("close", bracket)) throw new Unreadable("a bracket is not closed");
      at++;
    },
    /** Put tokens in the place of the next one. */
    replaceNext: (...others: Token[]) => {
      tokens.splice(at, 1, ...others);
    },
    /** Remove the signs that only lay out a derivation, up to the end of its environment. */
    removeAlignment: () => {
      let end = at;
      while (
        end < tokens.length &&
        !(tokens[end]!.type === "command" && (tokens[end] as { name: string }).name === "end")
      )
        end++;
      const kept = tokens
        .slice(at, end)
        .filter((token) => !isSignToken(token, "&"))
        // A line that begins with = goes on, another one says something else.
        .flatMap((token, i, all) => {
          if (!isSignToken(token, "newline")) return [token];
          const next = all[i + 1];
          const goesOn = i === 0 || !next || next.type === "relation" || next.type === "sign";
          return goesOn ? [] : [{ type: "sign" as const, sign: ",", space: true }];
        });
      tokens.splice(at, end - at, ...kept);
    },
    nested: <T>(inner: () => T): T => {
      if (++depth > LIMITS.depth * 6) throw new Beyond("the answer is nested too deeply");
      const result = inner();
      depth--;
      return result;
    },
  };
}
