/** @file From the text of one answer to a tree. */

import { equals, integer, type Rational } from "../algebra/rational.ts";
import { plainWords, withoutEnd } from "../extraction/text.ts";
import { Beyond, LIMITS } from "../limits.ts";
import { type Node, number, symbol } from "../tree.ts";
import { describedNumbers } from "./described-sets.ts";
import { numberInWords } from "./number-words.ts";
import { parse } from "./parse.ts";
import { timeOf } from "./times.ts";
import { Unreadable } from "./tokens.ts";
import { isUnit } from "./units.ts";

/** 2020-06-15 and 15/6/2020 are no differences or quotients. */
const DATE = /^(?:\d{4}-\d{2}-\d{2}|\d{1,2}[/.]\d{1,2}[/.]\d{4})$/;

const ELLIPSIS = /^[^,;=]*[+*]\s*(?:\\[lc]?dots|\.{3}|…)\s*[+*][^,;=]*=([^=,;]+)$/;

/** What leads to an answer: "= 5", "⇒ x = 5", "∴ 5". */
const INTRODUCED =
  /^(?:[\s:]|=(?!=)|\\(?:Rightarrow|Longrightarrow|implies|therefore|to|rightarrow)(?![A-Za-z])|[⇒→∴⟹])+/;

/** The tree of an answer; words where it is no mathematics. */
export function readAnswer(source: string): Node {
  if (source.length > LIMITS.answer) return { kind: "text", text: source.slice(0, LIMITS.answer) };
  const text = withoutEnd(undoubled(source.trim()).replace(INTRODUCED, ""), " \t\n\r,;:\\");
  const emphasized = /^(\*\*|__|\*|_)(?=[^\s*_])([^*_]+)\1$/.exec(text)?.[2];
  if (emphasized) return readAnswer(emphasized);
  if (DATE.test(text)) return { kind: "text", text };
  const time = timeOf(text);
  if (time) return { kind: "text", text: time };
  const based = inBase(text);
  if (based) return based;
  const words = plainWords(text).toLowerCase();
  if (/^(?:the )?(?:empty|null) set$/.test(words)) return symbol("emptyset");
  const inWords = numberInWords(words);
  if (inWords !== undefined) return number(inWords);
  if (isCode(text)) return { kind: "text", text: source };
  try {
    return parsed(describedNumbers(text) ?? combinations(turnedBrackets(restated(andParts(withoutBrackets(text))))));
  } catch (error) {
    // 1 + 2 + … + 10 = 55 says 55. What is no mathematics, or too much of it, is compared as words.
    const total = error instanceof Unreadable ? ELLIPSIS.exec(text)?.[1] : undefined;
    if (total !== undefined) return readAnswer(total);
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

/** A number in a base, which may be said in words: 1011 (base 2), 2BF_{16}. */
function inBase(text: string): Node | undefined {
  if (!/base|_/i.test(text)) return undefined;
  const plain = text.replace(/\\(?:text|mathrm|textrm|mbox)\s?\{([^{}]*)\}/g, " $1 ").replace(/\\[,;: ]|[{}$]/g, " ");
  const written = /^\s*\(?([0-9A-Fa-f]+)\)?(?:\s*_\s*\(?(\d+)\)?)?\s*,?\s*\(?\s*(?:in )?base[\s-]+(\w+)\s*\)?\s*$/.exec(
    plain,
  );
  const letters = written
    ? undefined
    : /^\s*\(?(\d[0-9A-Fa-f]*[A-Fa-f][0-9A-Fa-f]*|[A-F]+\d[0-9A-F]*)\)?\s*_\s*\(?(1[1-6])\)?\s*$/.exec(plain);
  if (letters) return { kind: "based", digits: letters[1]!.toUpperCase(), base: letters[2]! };
  const base = written && (/^\d+$/.test(written[3]!) ? written[3]! : format(numberInWords(written[3]!)));
  if (!written || !base || (written[2] !== undefined && written[2] !== base)) return undefined;
  if (base === "10" && /^\d+$/.test(written[1]!)) return number(integer(BigInt(written[1]!)));
  return { kind: "based", digits: written[1]!.toUpperCase().replace(/^0+(?=.)/, ""), base };
}

const format = (value: Rational | undefined) => (value && value.d === 1n ? `${value.n}` : undefined);

/** "6 and a half" */
const andParts = (text: string) =>
  text.replace(
    /^(\d+)\s*(?:\\text\s?\{\s*)?\s*and (?:a|one) (half|third|quarter)\b\s*(?=[A-Za-z]*\}?$)(?:\}$)?/,
    (_, whole: string, part: string) => `${whole}\\frac{1}{${{ half: 2, third: 3, quarter: 4 }[part]}}`,
  );

/** "5 (or 5.0)" says it twice. */
const restated = (text: string) =>
  text.replace(
    /\s{0,3}(?:\\text\s?\{)?\s{0,3}\(\s*(?:or|i\.e\.,?|that is,?|equivalently,?|or equivalently,?)\s+(?:\}\s*)?([^()]+?)(?:\\text\s?\{\))?\)?\s*\}?$/,
    (found, again: string) => (bracesMatch(again) ? ` \\text{ or } ${again}` : found),
  );

const bracesMatch = (text: string) => text.split("{").length === text.split("}").length;

/** ]2, 5[ and [2, 5[ are (2, 5) and [2, 5). */
const turnedBrackets = (text: string) =>
  /^\s*(?:\\left)?\s*\]|\[\s*$/.test(text)
    ? text.replace(
        /(\\left\s?)?([[\]])([^[\]()]{1,200}?)(\\right\s?)?([[\]])/g,
        (_, left: string | undefined, open: string, inner: string, right: string | undefined, close: string) =>
          `${left ?? ""}${open === "]" ? "(" : "["}${inner}${right ?? ""}${close === "[" ? ")" : "]"}`,
      )
    : text;

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
  if (value === undefined || !isRemark || !bracesMatch(value)) return parse(text);
  const inWords = numberInWords(remark);
  if (inWords === undefined) return parse(`${value} \\text{${remark}}`);
  const node = parse(value);
  return node.kind === "number" && equals(node.value, inWords) ? node : { kind: "text", text };
}

/** LaTeX that was escaped once too often: \\\\frac for \\frac. Rows of a matrix keep their \\\\. */
function undoubled(text: string): string {
  if (!text.includes("\\\\")) return text;
  if (/\\\\begin\b/.test(text)) return text.replaceAll("\\\\", "\\");
  return text.includes("\\begin") ? text : text.replace(/\\\\(?=[A-Za-z{}[\]()])/g, "\\");
}

/** Programs hold numbers too, but none of them is an answer. */
export const isCode = (text: string): boolean =>
  !text.includes("\\") &&
  /__|\blambda\b[^\n]{0,40}:|\w\(\s*['"]|[\w)\]]\(\)|\)\.[a-z_]\w*\(|==|\b(?:exec|eval|import)\s*\(|\bdef \w+\(|\bimport \w+;|\bfor \w+ in \w+\(|\[.*\bfor \w+ in /.test(
    text.slice(0, LIMITS.answer),
  );
