/** @file From an answer's text, LaTeX or plain, to tokens. */

import { ratio } from "../algebra/rational.ts";
import { Beyond, LIMITS } from "../limits.ts";
import { lexForeign, lexText, lexWord } from "./lex-words.ts";
import { BRACKETS, LETTERS, SIGN_COMMANDS, SIGNS } from "./signs.ts";
import { isSignToken, isValue, type Push, type Token, Unreadable } from "./tokens.ts";
import { CURRENCIES, CURRENCY_COMMANDS } from "./units.ts";
import { GREEK, LAYOUT, NAMED, PREFIX_FUNCTIONS, RELATIONS, TEXT_COMMANDS } from "./words.ts";
import { lexNumber, readNumber } from "./written-numbers.ts";

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ";
const LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋ₙ";
const PLAIN = "0123456789+-n";
const SILENT = new Set([...'$"“”`‘ \t\r\n\u00a0\u2009\u202f\u3000~。\u200b\ufeff']);

/** Commands whose argument is a name. */
const RAW_COMMANDS: ReadonlySet<string> = new Set(["begin", "end"]);
/** Commands whose arguments say nothing, with how many they have: what is struck out is no answer. */
const SILENT_ARGUMENTS: Readonly<Record<string, number>> = {
  ...{ tag: 1, label: 1, phantom: 1, hphantom: 1, vphantom: 1, hspace: 1, vspace: 1 },
  ...{ cancel: 1, bcancel: 1, xcancel: 1, sout: 1, st: 1, color: 1, textcolor: 1, colorbox: 1, fcolorbox: 2 },
};
/** Signs with bounds, and commands with one sign. */
const SIGNS_AS_COMMANDS: Readonly<Record<string, string>> = { "∑": "sum", "∏": "prod", "∫": "int" };

/** \mu before m, s or g makes it a millionth. */
const MICRO = /^.?\s?\\(?:text|mathrm|rm)\s?\{\s?(?:m|s|g|L|A|V|W|J|N|F|C|Pa)\s?\}/;

/** Where the scanner stands. */
type Scan = {
  source: string;
  at: number;
  /** Of brackets, in which a comma parts items. */
  depth: number;
  space: boolean;
  tokens: Token[];
  push: Push;
  match: (pattern: RegExp) => RegExpExecArray | undefined;
};

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
  else if (c === "\\") command(scan);
  else if (isLetter(c)) {
    const word = scan.match(/(?:and|or)(?=[A-Z])|per ?cents?(?![A-Za-z])|US\\?\$|Rs\.?(?![A-Za-z])|[A-Za-z]+/y)![0];
    lexWord(word, scan.tokens, scan.space, push, source.slice(scan.at, scan.at + 8));
  } else if (BRACKETS[c]) {
    const [type, bracket] = BRACKETS[c];
    push({ type, bracket });
    if (bracket !== "{") scan.depth += type === "open" ? 1 : -1;
    scan.at++;
  } else sign(scan, c);
}

function command(scan: Scan): void {
  const { source, push } = scan;
  scan.at++;
  const name = scan.match(/[A-Za-z]+\*?/y)?.[0].replace("*", "");
  if (name === undefined) {
    escaped(scan, source[scan.at++]);
    return;
  }
  scan.at += source[scan.at] === " " ? 1 : 0;
  const bracket = BRACKETS[name];
  if (name === "not") {
    const negated = scan.match(/\s*(?:=|\\in(?![A-Za-z]))/y)?.[0].trim();
    if (negated !== "=") throw new Unreadable("a relation is negated");
    push({ type: "relation", op: "!=" });
  } else if (bracket) {
    push({ type: bracket[0], bracket: bracket[1] });
    scan.depth += bracket[0] === "open" ? 1 : -1;
  } else if ((name === "quad" || name === "qquad") && partsEquations(scan)) push({ type: "sign", sign: "," });
  else if (SIGN_COMMANDS[name]) push({ type: "sign", sign: SIGN_COMMANDS[name] });
  else if (Object.hasOwn(RELATIONS, name)) push({ type: "relation", op: RELATIONS[name]! });
  else if (LAYOUT.has(name)) {
    if ((name === "left" || name === "right") && source[scan.at] === ".") scan.at++;
    scan.space = true;
  } else if (PREFIX_FUNCTIONS.has(name) || ["min", "max", "gcd", "lcm"].includes(name))
    push({ type: "function", name });
  else if (name === "mu" && isValue(scan.tokens.at(-1)) && MICRO.test(source.slice(scan.at - 1, scan.at + 30)))
    push({ type: "text", text: `μ${scan.match(/\s?\\(?:text|mathrm|rm)\s?\{\s?([A-Za-z]+)\s?\}/y)?.[1] ?? ""}` });
  else if (GREEK.has(name)) push({ type: "symbol", name });
  else if (Object.hasOwn(NAMED, name)) push({ type: "symbol", name: NAMED[name]! });
  else if (TEXT_COMMANDS.has(name) && source[scan.at] === "{") {
    const words = braced(source, scan.at);
    scan.at += words.length + 2;
    lexText(words, scan.tokens.at(-1), push, lex);
  } else if (Object.hasOwn(SILENT_ARGUMENTS, name)) {
    scan.space = true;
    for (let i = 0; i < SILENT_ARGUMENTS[name]! && source[scan.at] === "{"; i++)
      scan.at += braced(source, scan.at).length + 2;
  } else if (Object.hasOwn(CURRENCY_COMMANDS, name)) push({ type: "unit", name: CURRENCY_COMMANDS[name]! });
  else if (name === "surd") push({ type: "command", name: "sqrt" });
  else if (RAW_COMMANDS.has(name) && source[scan.at] === "{") {
    const words = braced(source, scan.at);
    scan.at += words.length + 2;
    push({ type: "command", name });
    push({ type: "text", text: words });
  } else if (!TEXT_COMMANDS.has(name)) push({ type: "command", name });
}

/** A wide space between two equations parts them. */
function partsEquations({ source, at, tokens, depth }: Scan): boolean {
  const since = tokens.findLastIndex((token) => isSignToken(token, ",", ";", "and", "or"));
  const isRelation = (token: Token) => token.type === "relation" && token.op !== ":";
  return (
    depth === 0 &&
    tokens.slice(since + 1).some(isRelation) &&
    /^[^,;\\]{1,40}(?:[=<>≤≥]|\\(?:leq?|geq?|neq?|in)\b)/.test(source.slice(at, at + 60))
  );
}

/** A sign after a backslash. */
function escaped(scan: Scan, c: string | undefined): void {
  const { push } = scan;
  if (c === "{" || c === "}") {
    push({ type: c === "{" ? "open" : "close", bracket: "set" });
    scan.depth += c === "{" ? 1 : -1;
  } else if (c === "%") push({ type: "sign", sign: "percent" });
  else if (c === "|") push({ type: "sign", sign: "norm" });
  else if (c === "\\") push({ type: "sign", sign: "newline" });
  else if (c === "$") push({ type: "unit", name: "dollar" });
  else scan.space = true;
}

function sign(scan: Scan, c: string): void {
  const { source, at, tokens, push } = scan;
  const last = tokens.at(-1);
  const relation = [source.slice(at, at + 2), c].find((text) => Object.hasOwn(RELATIONS, text));
  if (c === "!" && source[at + 1] === "=" && source[at + 2] === "=") throw new Unreadable("code");
  if (source.startsWith("...", at) || c === "…") {
    push({ type: "command", name: "dots" });
    scan.at += c === "…" ? 1 : 3;
  } else if (relation) {
    push({ type: "relation", op: RELATIONS[relation]! });
    scan.at += relation.length;
  } else if (source.startsWith("**", at)) {
    push({ type: "sign", sign: "^" });
    scan.at += 2;
  } else if (c === "'" || c === "’" || c === "′") prime(scan, last);
  else if (c === "$" && isDigit(source[at + 1]) && isPrice(source)) {
    push({ type: "unit", name: "dollar" });
    scan.at++;
  } else if (Object.hasOwn(SIGNS_AS_COMMANDS, c)) {
    push({ type: "command", name: SIGNS_AS_COMMANDS[c]! });
    scan.at++;
  } else if (Object.hasOwn(CURRENCIES, c)) {
    push({ type: "unit", name: CURRENCIES[c]! });
    scan.at++;
  } else if (SIGNS[c] === "sqrt" || SIGNS[c] === "cbrt") {
    push({ type: "command", name: SIGNS[c] });
    scan.at++;
  } else if (SIGNS[c]) {
    push({ type: "sign", sign: SIGNS[c] });
    scan.at++;
  } else if (c === "°" || c === "º") degree(scan);
  else if (LETTERS[c]) {
    push({ type: "symbol", name: LETTERS[c] });
    scan.at++;
  } else if (RAISED.includes(c) || LOWERED.includes(c)) script(scan, RAISED.includes(c) ? RAISED : LOWERED);
  else if (SILENT.has(c)) {
    scan.space = true;
    scan.at++;
  } else if (c === ".") {
    // A full stop says nothing, except between two values, where it is no mathematics.
    if (/\S/.test(source.slice(at + 1, at + 40)) && !/^\.*\s*[$)\]}\\,]/.test(source.slice(at, at + 40)))
      throw new Unreadable("a full stop inside");
    scan.at++;
  } else other(scan, c, last);
}

/** f′, or a quotation mark, which says nothing around words. */
function prime(scan: Scan, last: Token | undefined): void {
  scan.at++;
  // "it's"
  if (last?.type === "word" && scan.match(/(?:s|re|ll|d|m)(?![A-Za-z])/y)) return;
  if (!scan.space && (last?.type === "symbol" || last?.type === "close" || isSignToken(last, "'")))
    scan.push({ type: "sign", sign: "'" });
  else if (last?.type === "number" && !scan.space) throw new Unreadable("feet or minutes");
  else scan.space = true;
}

function degree(scan: Scan): void {
  scan.at++;
  const scale = scan.match(/\s?([CF])(?![A-Za-z])/y)?.[1];
  scan.push({ type: "unit", name: scale ? `°${scale}` : "degree" });
}

/** Small digits above or below the line, with their sign. */
function script(scan: Scan, characters: string): void {
  let text = "";
  while (scan.at < scan.source.length && characters.includes(scan.source[scan.at]!))
    text += PLAIN[characters.indexOf(scan.source[scan.at++]!)];
  const [, minus, digits] = /^([+-]?)(\d+|n)$/.exec(text) ?? [];
  if (digits === undefined) throw new Unreadable("small signs without digits");
  scan.push({ type: "sign", sign: characters === RAISED ? "^" : "_" });
  if (minus) scan.push({ type: "sign", sign: minus });
  if (digits === "n") scan.push({ type: "symbol", name: "n" });
  else scan.push({ type: "number", text: digits, ...readNumber(digits) });
}

/** Characters of other scripts and other widths. */
function other(scan: Scan, c: string, last: Token | undefined): void {
  const { push } = scan;
  const run = scan.match(
    /[\p{Script=Han}]+|[\p{Script=Cyrillic}]+|[\p{Script=Hangul}]+|[\p{Script=Hiragana}\p{Script=Katakana}]+|[\p{Script=Arabic}]+|[\p{Script=Devanagari}\p{M}]+/uy,
  )?.[0];
  if (run) {
    if (!lexForeign(run, last, push)) throw new Unreadable(`"${run}" is no sign of mathematics`);
    return;
  }
  const vulgar = c.normalize("NFKC");
  const fraction = /^(\d+)⁄(\d+)$/.exec(vulgar);
  if (fraction) push({ type: "number", text: "½", value: ratio(BigInt(fraction[1]!), BigInt(fraction[2]!)) });
  else throw new Unreadable(`"${c}" is no sign of mathematics`);
  scan.at++;
}

/** Dollars come in pairs around a formula; one alone before a number is money. */
const isPrice = (source: string) => (source.match(/(?<!\\)\$/g)?.length ?? 0) % 2 === 1;

/** The text between the brace at `from` and the one that closes it. */
function braced(source: string, from: number): string {
  let level = 0;
  for (let i = from; i < source.length; i++)
    if (source[i] === "{") level++;
    else if (source[i] === "}" && --level === 0) return source.slice(from + 1, i);
  throw new Unreadable("a brace is not closed");
}

/** Letters and digits of other widths and faces as the plain ones. */
const ofOneWidth = (text: string) =>
  text.replace(/[\uff01-\uff5e\ufe50-\ufe6b]|[\u{1d400}-\u{1d7ff}]/gu, (c) => c.normalize("NFKC"));

const isDigit = (c: string | undefined) => c !== undefined && c >= "0" && c <= "9";
const isLetter = (c: string) => (c >= "a" && c <= "z") || (c >= "A" && c <= "Z");
