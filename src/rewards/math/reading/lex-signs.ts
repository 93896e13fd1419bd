/** @file Signs and characters of other scripts as tokens. */

import { ratio } from "../algebra/rational.ts";
import { lexForeign } from "./lex-words.ts";
import { isDigit, type Scan } from "./scan.ts";
import { LETTERS, SIGNS } from "./signs.ts";
import { isSignToken, type Token, Unreadable } from "./tokens.ts";
import { CURRENCIES } from "./unit-names.ts";
import { RELATIONS } from "./words.ts";
import { readNumber } from "./written-numbers.ts";

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ";
const LOWERED = "₀₁₂₃₄₅₆₇₈₉₊₋ₙ";
const PLAIN = "0123456789+-n";
const SILENT = new Set([...'$"“”`‘ \t\r\n\u00a0\u2009\u202f\u3000~。\u200b\ufeff']);

/** Signs with bounds, and commands with one sign. */
const SIGNS_AS_COMMANDS: Readonly<Record<string, string>> = { "∑": "sum", "∏": "prod", "∫": "int" };

/** One sign, or a run of letters of another script. */
export function lexSign(scan: Scan, c: string): void {
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
    push({ type: "sign", sign: SIGNS[c], ...(c === "×" ? { cross: true as const } : {}) });
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
