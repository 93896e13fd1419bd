/** @file From the text of one answer to a tree. */

import { integer } from "../algebra/rational.ts";
import { plainWords, withoutEnd } from "../extraction/text.ts";
import { Beyond, LIMITS } from "../limits.ts";
import { type Node, number } from "../tree.ts";
import { numberInWords } from "./number-words.ts";
import { parse } from "./parse.ts";
import { Unreadable } from "./tokens.ts";
import { isUnit } from "./units.ts";

/** The tree of an answer; words where it is no mathematics. */
export function readAnswer(source: string): Node {
  if (source.length > LIMITS.answer) return { kind: "text", text: source.slice(0, LIMITS.answer) };
  const text = withoutEnd(undoubled(source.trim()).replace(/^[\s:]+/, ""), " \t\n\r,;:\\");
  const emphasized = /^(\*\*|__|\*|_)(?=[^\s*_])([^*_]+)\1$/.exec(text)?.[2];
  if (emphasized) return readAnswer(emphasized);
  const time = timeOf(text);
  if (time) return { kind: "text", text: time };
  const words = plainWords(text).toLowerCase();
  const inWords = numberInWords(words);
  if (inWords !== undefined) return number(integer(inWords));
  if (isCode(text)) return { kind: "text", text: source };
  try {
    return parsed(describedNumbers(text) ?? combinations(withoutBrackets(text)));
  } catch (error) {
    // What is no mathematics, or too much of it, is compared as words.
    if (error instanceof Unreadable || error instanceof Beyond) return { kind: "text", text };
    throw error;
  }
}

/** A letter's kind of number in brackets at the end: (k ∈ ℤ). */
const withoutBrackets = (text: string) =>
  text.replace(
    /[\\ ,;]*\(\s?([a-zA-Z](?:\s?,\s?[a-zA-Z])*)\s?(\\in|∈)\s?(\\mathbb\s?\{?[ZNRQC]\}?|[ℤℕℝℚZNRQ])\s?\)$/,
    ", $1 $2 $3",
  );

/** C_5^2, C(5,2) and _5C_2 count choices where both are numbers. */
const combinations = (text: string) =>
  text
    .replace(/(?<![A-Za-z\\])(?:\\(?:mathrm|text)\s?\{C\}|C)_\{?(\d+)\}?\^\{?(\d+)\}?/g, "\\binom{$1}{$2}")
    .replace(/(?<![A-Za-z\\])C\((\d+),\s?(\d+)\)/g, "\\binom{$1}{$2}")
    .replace(/(?:\{\})?_\{?(\d+)\}?\s?(?:\\(?:mathrm|text)\s?\{C\}|C)_\{?(\d+)\}?/g, "\\binom{$1}{$2}");

/** A text with words in brackets at its end: a unit, a remark, or the number again in words. */
function parsed(text: string): Node {
  const [, value, remark] = /^(.*?\S)\s+(?:\\text\s?\{\s*)?\(([A-Za-z][A-Za-z ,.'-]{2,60})\)\s*\}?$/s.exec(text) ?? [];
  const isRemark = remark !== undefined && !/ -/.test(remark) && (/[a-z]{4}/i.test(remark) || isUnit(remark));
  if (value === undefined || !isRemark) return parse(text);
  const inWords = numberInWords(remark);
  if (inWords === undefined) return parse(`${value} \\text{${remark}}`);
  const node = parse(value);
  return node.kind === "number" && node.value.n === inWords && node.value.d === 1n ? node : { kind: "text", text };
}

const REALS = "(?:the set of )?(?:all|any|every) (?:real numbers?|real values?|reals|real)(?: (?:of )?[a-z](?![a-z]))?";
const EXCEPTIONS =
  "except(?: for)?|other than|excluding|besides|but(?: not)?|not equal to|that (?:is|are) not|different from|apart from|without";
const ALL_REALS = new RegExp(
  `^(?:[a-z] (?:\\\\in|∈|is|can be|in) )?(?:${REALS}|\\\\mathbb ?\\{?R\\}?|ℝ)(?:,? ?(${EXCEPTIONS}|such that|with|where|for which|greater than|less than) ?(.+))?$`,
  "i",
);

/** "All real numbers except 2" as a set. */
function describedNumbers(text: string): string | undefined {
  if (!/real|ℝ|mathbb|实数/.test(text)) return undefined;
  if (/^(?:\\text\{)?(?:全体|一切|任意|所有)实数\}?$/.test(text)) return "\\mathbb{R}";
  const plain = text
    .replace(/\\(?:text|mathrm|mbox|textrm)\s?\{([^{}]*)\}/g, " $1 ")
    .replace(/\\[,;: ]|\$|\s+/g, " ")
    .replace(/ {2,}/g, " ")
    .trim();
  const [found, how, rest] = ALL_REALS.exec(plain) ?? [];
  if (found === undefined) return undefined;
  if (how === undefined || rest === undefined) return "\\mathbb{R}";
  if (/^(?:such|with|where|for)/i.test(how))
    return `\\{x \\mid ${rest.replace(/\b[a-z]\b(?=\s*(?:[<>=≤≥≠]|\\[lgn]e))/g, "x")}\\}`;
  if (/than$/i.test(how) && !/^other/i.test(how)) return `x ${/^greater/i.test(how) ? ">" : "<"} ${rest}`;
  return `\\mathbb{R} \\setminus \\{${rest.replace(/\band\b/g, ",").replace(/(?:^|(?<=,))\s*(?:when |where |for )?[a-z]\s*=\s*/g, "")}\\}`;
}

/** LaTeX that was escaped once too often: \\\\frac for \\frac. Rows of a matrix keep their \\\\. */
function undoubled(text: string): string {
  if (!text.includes("\\\\")) return text;
  if (/\\\\begin\b/.test(text)) return text.replaceAll("\\\\", "\\");
  return text.includes("\\begin") ? text : text.replace(/\\\\(?=[A-Za-z{}[\]()])/g, "\\");
}

/** A time of day: 9:05, 20:34:00, 12:00 p.m. */
function timeOf(text: string): string | undefined {
  const match = /^(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([ap])?\.?m?\.?$/i.exec(plainWords(text));
  if (!match) return undefined;
  const [, hours, minutes, seconds, half] = match;
  const tail = seconds && seconds !== "00" ? `:${seconds}` : "";
  return `${Number(hours)}:${minutes}${tail}${half ? ` ${half.toLowerCase()}m` : ""}`;
}

/** Programs hold numbers too, but none of them is an answer. */
export const isCode = (text: string): boolean =>
  !text.includes("\\") &&
  /__|\blambda\b[^\n]{0,40}:|\w\(\s*['"]|[\w)\]]\(\)|\)\.[a-z_]\w*\(|==|\b(?:exec|eval|import)\s*\(|\bdef \w+\(|\bimport \w+;|\bfor \w+ in \w+\(/.test(
    text.slice(0, LIMITS.answer),
  );
