/** @file How numbers are written: grouped digits, decimals, exponents, repeated digits, ordinals. */

import { add, integer, multiply, type Rational, ratio } from "../algebra/rational.ts";
import { Beyond, LIMITS } from "../limits.ts";
import type { Decimals } from "../tree.ts";
import { type Push, Unreadable } from "./tokens.ts";

/** Digits in groups of three, parted by commas, spaces, apostrophes or low lines; twos and a three as in India. */
const GROUPED =
  /[1-9]\d{0,2}(?:(?:(?:,|\{,\}|\\!\s?,\s?\\!\s?|,\\!\s?|\\!,|,\s?\\!|'|_|~|\\text\{,\})\d{3})+|(?:\\[,;: ]\s?\d{3})+|(?:[ \u00a0\u2009\u202f]\d{3})+)(?!\d)(?:\.\d+)?/y;
const GROUPED_IN_TWOS = /[1-9]\d?(?:,\d{2})+,\d{3}(?![\d,])(?:\.\d+)?/y;
const GROUPED_IN_BRACKETS = /[1-9]\d{0,2}(?:(?:\{,\}|,\\!\s?)\d{3})+(?!\d)(?:\.\d+)?/y;
/** With full stops between the groups: a decimal comma or a second full stop shows it. */
const EUROPEAN = /[1-9]\d{0,2}(?:(?:\.\d{3}){2,}(?![.\d])(?:,\d+)?|\.\d{3},\d{1,2}(?![\d,]))/y;
const PLAIN = /(?:\d+(?:\.\d*)?|\.\d+)/y;
const EXPONENT = /[eE]([+-]?\d{1,6})(?![\dA-Za-z.])/y;
const OVERLINED = /\\(?:overline|bar|overparen|widehat)\s?\{(\d{1,60})\}/y;
const DOTTED = /\\dot\s?\{?\s?(\d)\s?\}?(?:(\d{0,60})\\dot\s?\{?\s?(\d)\s?\}?)?/y;
const BRACKETED = /\((\d{1,60})\)/y;
const DOTS = /(?:\\[lc]?dots\b|\.{3}|…)/y;
const ORDINAL = /(?:\s?\^\s?\{?\s?(?:\\(?:text|mathrm|textrm)\s?\{)?\s?)?(st|nd|rd|th)(?![A-Za-z])\s?\}?\}?/y;

type Match = (pattern: RegExp) => RegExpExecArray | undefined;

/** The number that begins here. Inside brackets a comma parts items. */
export function lexNumber(match: Match, push: Push, inBrackets: boolean): void {
  const european = inBrackets ? undefined : match(EUROPEAN)?.[0].replaceAll(".", "").replace(",", ".");
  const grouped = european
    ? undefined
    : inBrackets
      ? match(GROUPED_IN_BRACKETS)
      : (match(GROUPED_IN_TWOS) ?? match(GROUPED));
  const text = european ?? (grouped ? grouped[0].replace(/[^\d.]/g, "") : match(PLAIN)![0]);
  const repeating = text.includes(".") ? repeatedDigits(match, text) : undefined;
  if (repeating?.instead) {
    push({ type: "number", text, ...readNumber(repeating.instead, repeating.period) });
    return;
  }
  const exponent = repeating ? undefined : match(EXPONENT)?.[1];
  push({ type: "number", text, ...readNumber(text, repeating?.period, exponent) });
  if (/^\d+$/.test(text)) skipOrdinal(match, text);
}

/** The digits that come back for ever: under a line or dots, in brackets, or three times before an ellipsis. */
function repeatedDigits(match: Match, text: string): { period: string; instead?: string } | undefined {
  const written = match(OVERLINED)?.[1] ?? match(BRACKETED)?.[1];
  if (written) return { period: written };
  const dotted = match(DOTTED);
  if (dotted) return { period: `${dotted[1]}${dotted[2] ?? ""}${dotted[3] ?? ""}` };
  const seen = /^(\d*\.\d*?)(\d{1,12}?)\2{2,}$/.exec(text);
  return seen && match(DOTS) ? { period: seen[2]!, instead: seen[1]! } : undefined;
}

/** 5th and 21^{st} are 5 and 21. */
function skipOrdinal(match: Match, digits: string): void {
  const ending = match(ORDINAL)?.[1];
  if (ending === undefined) return;
  const teen = /1\d$/.test(digits);
  const expected = teen ? "th" : ({ 1: "st", 2: "nd", 3: "rd" } as Record<string, string>)[digits.at(-1)!];
  if (ending !== (expected ?? "th")) throw new Unreadable("an ordinal has another number's ending");
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
