/** @file From an answer's text, LaTeX or plain, to tokens. */

import { add, integer, multiply, type Rational, ratio } from "../algebra/rational.ts";
import { withoutEnd } from "../extraction/text.ts";
import { Beyond, LIMITS } from "../limits.ts";
import type { Decimals, Relation } from "../tree.ts";
import { BRACKETS, LETTERS, SIGN_COMMANDS, SIGNS } from "./signs.ts";
import {
  BRACKET_FUNCTIONS,
  GREEK,
  LAYOUT,
  NAMED,
  PERCENT_WORDS,
  PREFIX_FUNCTIONS,
  RELATIONS,
  SCALE_WORDS,
  STOP_WORDS,
  TEXT_COMMANDS,
  UNIT_PARTS,
  UNITS,
} from "./words.ts";

export type Token = { space: boolean } & (
  | { type: "number"; text: string; value: Rational; decimals?: Decimals }
  | { type: "symbol"; name: string }
  | { type: "function"; name: string }
  | { type: "relation"; op: Relation }
  /** + - * / ^ _ ! | & , ; and newline, percent, pm, mp, union, intersection, difference, norm */
  | { type: "sign"; sign: string }
  /** ( [ { for groups, set for \{, and floor, ceil, angle */
  | { type: "open" | "close"; bracket: string }
  | { type: "command"; name: string }
  | { type: "text"; text: string }
  | { type: "unit"; name: string }
  | { type: "scale"; value: bigint }
  | { type: "word"; text: string }
);

/** Thrown where a text is no mathematics. */
export class Unreadable extends Error {
  override name = "Unreadable";
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";
const SILENT = new Set([..."$€£¥₹\"“”`'‘’ \t\r\n\u00a0\u2009\u202f\u3000~。？?\u200b\ufeff"]);

const GROUPED =
  /[1-9]\d{0,2}(?:(?:(?:,|\{,\}|,\\!\s?|\\!,|,\s?\\!)\d{3})+|(?:\\[,;: ]\s?\d{3})+|(?:[ \u00a0\u2009\u202f]\d{3})+)(?!\d)(?:\.\d+)?/y;
const GROUPED_IN_BRACKETS = /[1-9]\d{0,2}(?:(?:\{,\}|,\\!\s?)\d{3})+(?!\d)(?:\.\d+)?/y;
const PLAIN = /(?:\d+(?:\.\d*)?|\.\d+)/y;
const EXPONENT = /[eE]([+-]?\d{1,6})(?![\dA-Za-z.])/y;
const REPEATING = /\\(?:overline|bar|dot)\s?\{(\d{1,60})\}/y;

/** The tokens of an answer; throws `Beyond` at a limit and `Unreadable` where no token begins. */
export function lex(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let depth = 0;
  let space = false;
  const push = (token: Unspaced<Token>) => {
    if (tokens.length >= LIMITS.tokens) throw new Beyond("the answer is too long");
    tokens.push({ ...token, space } as Token);
    space = false;
  };
  const match = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found) at += found[0].length;
    return found;
  };
  while (at < source.length) {
    const c = source[at]!;
    if ((c >= "0" && c <= "9") || (c === "." && isDigit(source[at + 1]))) {
      const grouped = match(depth > 0 ? GROUPED_IN_BRACKETS : GROUPED);
      const text = grouped ? grouped[0].replace(/[^\d.]/g, "") : match(PLAIN)![0];
      const repeating = text.includes(".") ? match(REPEATING)?.[1] : undefined;
      const exponent = repeating ? undefined : match(EXPONENT)?.[1];
      push({ type: "number", text, ...readNumber(text, repeating, exponent) });
    } else if (c === "\\") {
      at++;
      const name = match(/[A-Za-z]+\*?/y)?.[0].replace("*", "");
      if (name === undefined) {
        const next = source[at++];
        if (next === "{") push({ type: "open", bracket: "set" });
        else if (next === "}") push({ type: "close", bracket: "set" });
        else if (next === "%") push({ type: "sign", sign: "percent" });
        else if (next === "|") push({ type: "sign", sign: "norm" });
        else if (next === "\\") push({ type: "sign", sign: "newline" });
        else space = true;
        if (next === "{") depth++;
        else if (next === "}") depth--;
        continue;
      }
      at += source[at] === " " ? 1 : 0;
      const bracket = BRACKETS[name];
      if (bracket) {
        push({ type: bracket[0], bracket: bracket[1] });
        depth += bracket[0] === "open" ? 1 : -1;
      } else if (SIGN_COMMANDS[name]) push({ type: "sign", sign: SIGN_COMMANDS[name] });
      else if (Object.hasOwn(RELATIONS, name)) push({ type: "relation", op: RELATIONS[name]! });
      else if (LAYOUT.has(name)) {
        if ((name === "left" || name === "right") && source[at] === ".") at++;
        space = true;
      } else if (PREFIX_FUNCTIONS.has(name) || ["min", "max", "gcd", "lcm"].includes(name))
        push({ type: "function", name });
      else if (GREEK.has(name)) push({ type: "symbol", name });
      else if (Object.hasOwn(NAMED, name)) push({ type: "symbol", name: NAMED[name]! });
      else if (TEXT_COMMANDS.has(name) && source[at] === "{") {
        const words = braced(source, at);
        at += words.length + 2;
        lexText(words, push, isValue(tokens.at(-1)));
      } else if (RAW_COMMANDS.has(name) && source[at] === "{") {
        const words = braced(source, at);
        at += words.length + 2;
        push({ type: "command", name });
        push({ type: "text", text: words });
      } else if (!TEXT_COMMANDS.has(name)) push({ type: "command", name });
    } else if (isLetter(c)) {
      const word = match(/(?:and|or)(?=[A-Z])|[A-Za-z]+/y)![0];
      lexWord(word, tokens, push, source.slice(at, at + 8));
    } else if (BRACKETS[c]) {
      const [type, bracket] = BRACKETS[c];
      push({ type, bracket });
      if (bracket !== "{") depth += type === "open" ? 1 : -1;
      at++;
    } else if (source.startsWith("...", at)) {
      push({ type: "command", name: "dots" });
      at += 3;
    } else {
      const relation = [source.slice(at, at + 2), c].find((text) => Object.hasOwn(RELATIONS, text));
      if (c === "!" && source[at + 1] === "=" && source[at + 2] === "=") throw new Unreadable("code");
      if (relation) {
        push({ type: "relation", op: RELATIONS[relation]! });
        at += relation.length;
      } else if (source.startsWith("**", at)) {
        push({ type: "sign", sign: "^" });
        at += 2;
      } else if (c === "'" && tokens.at(-1)?.type === "symbol" && !space) {
        push({ type: "sign", sign: "'" });
        at++;
      } else if (SIGNS[c] === "sqrt" || SIGNS[c] === "cbrt") {
        push({ type: "command", name: SIGNS[c] });
        at++;
      } else if (SIGNS[c]) {
        push({ type: "sign", sign: SIGNS[c] });
        at++;
      } else if (c === "°" || c === "º") {
        push({ type: "unit", name: "degree" });
        at += /^\s?[CF](?![A-Za-z])/.exec(source.slice(at + 1, at + 4))?.[0].length ?? 0;
        at++;
      } else if (LETTERS[c]) {
        push({ type: "symbol", name: LETTERS[c] });
        at++;
      } else if (c === "…") {
        push({ type: "command", name: "dots" });
        at++;
      } else if (SUPERSCRIPTS.includes(c) || SUBSCRIPTS.includes(c)) {
        const digits = SUPERSCRIPTS.includes(c) ? SUPERSCRIPTS : SUBSCRIPTS;
        push({ type: "sign", sign: digits === SUPERSCRIPTS ? "^" : "_" });
        let text = "";
        while (at < source.length && digits.includes(source[at]!)) text += digits.indexOf(source[at++]!);
        push({ type: "number", text, ...readNumber(text) });
      } else if (SILENT.has(c)) {
        space = true;
        at++;
      } else if (c === ".") {
        // A full stop says nothing, except between two values, where it is no mathematics.
        if (/\S/.test(source.slice(at + 1, at + 40)) && !/^\.*\s*[$)\]}\\,]/.test(source.slice(at, at + 40)))
          throw new Unreadable("a full stop inside");
        at++;
      } else {
        const vulgar = c.normalize("NFKC");
        const fraction = /^(\d+)⁄(\d+)$/.exec(vulgar);
        if (fraction) push({ type: "number", text: "½", value: ratio(BigInt(fraction[1]!), BigInt(fraction[2]!)) });
        else if (vulgar !== c && vulgar.length === 1 && vulgar < "\u007f")
          return lex(source.slice(0, at) + source.slice(at).normalize("NFKC"));
        else throw new Unreadable(`"${c}" is no sign of mathematics`);
        at++;
      }
    }
  }
  return tokens;
}

/** Commands whose argument is a name. */
const RAW_COMMANDS: ReadonlySet<string> = new Set(["begin", "end", "color", "textcolor", "tag", "phantom", "hspace"]);

/** The text between the brace at `from` and the one that closes it, or all that follows. */
function braced(source: string, from: number): string {
  let level = 0;
  for (let i = from; i < source.length; i++)
    if (source[i] === "{") level++;
    else if (source[i] === "}" && --level === 0) return source.slice(from + 1, i);
  throw new Unreadable("a brace is not closed");
}

/** Words in braces: a separator, a letter, a function, a percent sign, a number, or words. */
function lexText(words: string, push: (token: Unspaced<Token>) => void, afterValue: boolean): void {
  const text = words.replace(/[$~]|\\[,;: ]/g, " ").trim();
  const lower = withoutEnd(text.toLowerCase(), ",;. \n\t").replace(/^[,;\s]+/, "");
  if (text === "") return;
  if (lower === "") push({ type: "sign", sign: "," });
  else if (lower === "and" || lower === "or") push({ type: "sign", sign: lower });
  else if (/^\\?%$/.test(lower) || PERCENT_WORDS.has(lower) || lower === "per cent")
    push({ type: "sign", sign: "percent" });
  else if (/^[A-Za-z]$/.test(text) && !(afterValue && UNITS.has(text))) push({ type: "symbol", name: text });
  else if (PREFIX_FUNCTIONS.has(text) || BRACKET_FUNCTIONS.has(text)) push({ type: "function", name: text });
  else if (text.length < 100 && /^[+-]?[\d,]*\.?\d+$/.test(text)) for (const token of lex(text)) push(token);
  else push({ type: "text", text });
}

type Unspaced<T> = T extends unknown ? Omit<T, "space"> : never;

const isDigit = (c: string | undefined) => c !== undefined && c >= "0" && c <= "9";
const isLetter = (c: string) => (c >= "a" && c <= "z") || (c >= "A" && c <= "Z");

/** Whether a unit may follow. */
const isValue = (token: Token | undefined) =>
  token !== undefined && ["number", "close", "unit", "scale"].includes(token.type);

/** A run of letters without a backslash: a function, a unit after a value, a word, or a product of symbols. */
function lexWord(word: string, tokens: readonly Token[], push: (token: Unspaced<Token>) => void, after: string): void {
  const last = tokens.at(-1);
  const lower = word.toLowerCase();
  const afterValue = isValue(last) || (last?.type === "word" && UNIT_PARTS.has(last.text));
  if (lower === "and" || lower === "or") push({ type: "sign", sign: lower });
  else if (PERCENT_WORDS.has(lower)) push({ type: "sign", sign: "percent" });
  else if (afterValue && word.length > 1 && UNITS.has(word) && !after.startsWith("("))
    push({ type: "unit", name: word });
  else if (afterValue && Object.hasOwn(SCALE_WORDS, lower)) push({ type: "scale", value: SCALE_WORDS[lower]! });
  else if (PREFIX_FUNCTIONS.has(word) || (BRACKET_FUNCTIONS.has(word) && /^\s*[({\\]/.test(after)))
    push({ type: "function", name: word });
  else if (word === "mod") push({ type: "command", name: "bmod" });
  else if (word === "frac" || word === "boxed") push({ type: "command", name: word });
  else if (lower === "infinity" || word === "oo" || word === "inf") push({ type: "symbol", name: "oo" });
  else if (word.length > 1 && GREEK.has(word)) push({ type: "symbol", name: word });
  else if (word === "in" && last?.type === "symbol") push({ type: "relation", op: "in" });
  else if (word.length > 1 && UNITS.has(word) && last?.type === "sign" && last.sign === "/")
    push({ type: "unit", name: word });
  else if (word === "U" && last?.type === "close") push({ type: "sign", sign: "union" });
  else if (word === "x" && last?.type === "number" && /^\s*10\s?\^/.test(after)) push({ type: "sign", sign: "*" });
  else if (STOP_WORDS.has(lower) && /^.[a-z]+$/.test(word)) push({ type: "word", text: word });
  else if (word.length <= 3) for (const name of word) push({ type: "symbol", name });
  else push({ type: "word", text: word });
}

/** The value of a written number: 1.5 × 10^exponent, or with its last digits repeated for ever. */
export function readNumber(
  text: string,
  repeating?: string,
  exponent?: string,
): { value: Rational; decimals?: Decimals } {
  if (text.length > LIMITS.digits) throw new Beyond("a number has too many digits");
  const [whole, fraction] = text.split(".") as [string, string | undefined];
  const digits = whole + (fraction ?? "");
  const shift = Number(exponent ?? 0);
  if (Math.abs(shift) > 4_000) throw new Beyond("an exponent is too large");
  const places = (fraction?.length ?? 0) - shift;
  const scaled = BigInt(digits || "0");
  const value = places > 0 ? ratio(scaled, 10n ** BigInt(places)) : integer(scaled * 10n ** BigInt(-places));
  if (repeating) {
    const period = ratio(BigInt(repeating), 10n ** BigInt(repeating.length) - 1n);
    return { value: add(value, multiply(period, ratio(1n, 10n ** BigInt(fraction?.length ?? 0)))) };
  }
  if (fraction === undefined && exponent === undefined) return { value };
  return { value, decimals: { fraction: Math.max(0, places), significant: digits.replace(/^0+/, "").length } };
}
