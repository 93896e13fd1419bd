/** @file From an answer's text, LaTeX or plain, to tokens. */

import { Beyond, LIMITS } from "../limits.ts";
import { lexCommand } from "./lex-commands.ts";
import { lexSign } from "./lex-signs.ts";
import { lexWord } from "./lex-words.ts";
import { isDigit, type Scan } from "./scan.ts";
import { BRACKETS } from "./signs.ts";
import type { Token } from "./tokens.ts";
import { lexNumber } from "./written-numbers.ts";

/** The tokens of an answer; throws `Beyond` at a limit and `Unreadable` where no token begins. */
export function lex(written: string): Token[] {
  const source = ofOneWidth(written);
  const scan: Scan = {
    source,
    at: 0,
    depth: 0,
    space: false,
    tokens: [],
    push: (token) => {
      if (scan.tokens.length >= LIMITS.tokens) throw new Beyond("the answer is too long");
      scan.tokens.push({ space: scan.space, ...token } as Token);
      scan.space = false;
    },
    match: (pattern) => {
      pattern.lastIndex = scan.at;
      const found = pattern.exec(source);
      if (found) scan.at += found[0].length;
      return found ?? undefined;
    },
  };
  while (scan.at < source.length) next(scan);
  return scan.tokens;
}

function next(scan: Scan): void {
  const { source, at, push } = scan;
  const c = source[at]!;
  if (isDigit(c) || (c === "." && isDigit(source[at + 1]))) lexNumber(scan.match, push, scan.depth > 0);
  else if (c === "\\") lexCommand(scan, lex);
  else if (isLetter(c)) {
    const word = scan.match(/(?:and|or)(?=[A-Z])|per ?cents?(?![A-Za-z])|US\\?\$|Rs\.?(?![A-Za-z])|[A-Za-z]+/y)![0];
    lexWord(word, scan.tokens, scan.space, push, source.slice(scan.at, scan.at + 8));
  } else if (BRACKETS[c]) {
    const [type, bracket] = BRACKETS[c];
    push({ type, bracket });
    if (bracket !== "{") scan.depth += type === "open" ? 1 : -1;
    scan.at++;
  } else lexSign(scan, c);
}

/** Letters and digits of other widths and faces as the plain ones. */
const ofOneWidth = (text: string) =>
  text.replace(/[\uff01-\uff5e\ufe50-\ufe6b]|[\u{1d400}-\u{1d7ff}]/gu, (c) => c.normalize("NFKC"));

const isLetter = (c: string) => (c >= "a" && c <= "z") || (c >= "A" && c <= "Z");
