/** @file Formulas and numbers in plain words. */

import { isUnit } from "../reading/units.ts";
import { PERCENT_WORDS, PREFIX_FUNCTIONS, SCALE_WORDS } from "../reading/words.ts";
import { LONGEST, type Span, withPercent } from "./formulas.ts";
import { withoutEnd } from "./text.ts";

type Word = Span & { kind: "value" | "letter" | "operator" | "joint" | "unit" | "other" };

const FOREIGN = /[\u0400-\u1fff\u3000-\u303f\u3040-\u9fff\uac00-\ud7af\uff01\uff08-\uff0e\uff1a-\uff1f]/;

/** The words of a text, told apart by what they may be in a formula; other scripts part words as spaces do. */
function wordsOf(text: string, from: number, to: number): Word[] {
  const words: Word[] = [];
  let start = -1;
  for (let at = from; at <= to; at++) {
    const c = at < to ? text[at]! : " ";
    const foreign = FOREIGN.test(c);
    if (!foreign && !/\s/.test(c)) {
      if (start < 0) start = at;
      continue;
    }
    if (start >= 0) words.push(wordAt(text, start, at));
    start = -1;
    if (foreign || c === "\n") words.push({ content: c, start: at, end: at + 1, kind: "other" });
  }
  return words;
}

const OPERATORS =
  /^(?:[-+*/^=<>≤≥≠≈×÷·±|!%°∪∩,;&−–]|\\(?:cdot|times|pm|le|ge|leq|geq|neq|approx|cup|cap|in|div|to|%)(?![A-Za-z]))+$/;
const LETTERS_BEFORE_DIGIT = /(?:^|[^\\A-Za-z])[A-Za-z]{2,}\d|\d[A-Za-z]{3,}|[A-Za-z]{2,}['’-][A-Za-z]|\d-[a-z]{2}/;

function wordAt(text: string, start: number, end: number): Word {
  const content = text.slice(start, end);
  const bare = withoutEnd(content.replace(/^["'“(]+/, ""), "\"'”.,;:!?)");
  const word = (kind: Word["kind"]): Word => ({ content, start, end, kind });
  if (OPERATORS.test(content)) return word("operator");
  if (bare === "and" || bare === "or") return word("joint");
  if (/^[A-Za-z](?:_\{?\w{1,3}\}?)?$/.test(bare) && bare !== "I") return word("letter");
  if (isUnit(bare) || Object.hasOwn(SCALE_WORDS, bare) || PERCENT_WORDS.has(bare)) return word("unit");
  if (/^[A-Za-z]+$/.test(bare))
    return word(PREFIX_FUNCTIONS.has(bare) || bare === "pi" || bare === "infinity" ? "letter" : "other");
  if (content.length > LONGEST || !isNumeric(bare)) return word("other");
  return word("value");
}

/** Whether a word holds a number or a command, and no number that belongs to a name. */
function isNumeric(word: string): boolean {
  if (/\\[A-Za-z]/.test(word)) return true;
  if (!/\d/.test(word))
    return /^[-+*/^=<>()[\]{}|A-Za-z,.]+$/.test(word) && /[=<>^+*/(]/.test(word) && !/[A-Za-z]{4,}/.test(word);
  const named = /[A-Za-z]{2,}/.test(word) && !/sqrt|sin|cos|tan|log|ln|pi|exp|frac|abs/.test(word);
  return !(named && LETTERS_BEFORE_DIGIT.test(word));
}

const endsClause = (word: Word) => /[.!?:;]["')\]]*$/.test(word.content.slice(-8)) || word.content === "\n";
const opensOperation = (word: Word) => word.kind === "operator" || /^[-+*/^=<>≤≥≠≈×÷·±]/.test(word.content);
const leavesOperation = (word: Word) => word.kind === "operator" || /[-+*/^=<>≤≥≠≈×÷·±(,]$/.test(word.content);

/** The formula that begins a text, if one does: "0.25 + 3" of "0.25 + 3, as we saw". */
export function leadingFormula(text: string, from: number, to: number): Span | undefined {
  const words = wordsOf(text, from, Math.min(to, from + LONGEST));
  let count = 0;
  let values = 0;
  for (const [i, word] of words.entries()) {
    const next = words[i + 1];
    const previous = words[i - 1];
    if (word.kind === "other") break;
    if (word.kind === "letter" && !(next && opensOperation(next)) && !(previous && leavesOperation(previous))) break;
    if (word.kind === "unit" && values === 0) break;
    if (word.kind === "joint" && !(values && next && (next.kind === "value" || next.kind === "letter"))) break;
    if (word.kind === "value" || word.kind === "letter") values++;
    count = i + 1;
    if (endsClause(word)) break;
  }
  if (values === 0) return undefined;
  return spanOf(text, words[0]!, words[count - 1]!);
}

/** The last formula or number of plain text: "66" of "165 - 99 = 66 in all"; and the last number alone. */
export function lastFormula(text: string, from: number, to: number): { formula: Span; number: Span } | undefined {
  const words = wordsOf(text, from, to);
  const last = words.findLastIndex((word) => word.kind === "value");
  if (last < 0) return undefined;
  let [first, end] = [last, last];
  for (let before = words[first - 1]; before && isPart(before); before = words[first - 1]) {
    if (endsClause(before) || !(opensOperation(words[first]!) || leavesOperation(before))) break;
    // What a computation came to is its answer; only a name before "=" belongs to it.
    if (before.content === "=" && words[first - 2]?.kind !== "letter") break;
    first--;
  }
  for (let after = words[end + 1]; after && isPart(after); after = words[end + 1]) {
    if (endsClause(words[end]!)) break;
    if (!(opensOperation(after) || leavesOperation(words[end]!) || after.kind === "unit")) break;
    end++;
  }
  return {
    formula: afterComputation(spanOf(text, words[first]!, words[end]!)),
    number: spanOf(text, words[last]!, words[last]!),
  };
}

/** 60 of "10x6=60": what stands before the last "=" is no side of an equation if it has no letters. */
function afterComputation(span: Span): Span {
  const equals = span.content.lastIndexOf("=");
  if (equals < 0 || !/\d/.test(span.content.slice(equals))) return span;
  const before = span.content.slice(0, equals).replace(/(\d)\s?x\s?(?=\d)/g, "$1*");
  if (/[A-Za-z\\<>!]/.test(before)) return span;
  return { ...span, content: balanced(span.content.slice(equals + 1).trim()) };
}

/** The first number of a clause. */
export function firstFormula(text: string, from: number, to: number): Span | undefined {
  const word = wordsOf(text, from, to).find(({ kind }) => kind === "value");
  return word && leadingFormula(text, word.start, to);
}

const isPart = (word: Word) => word.kind !== "other" && word.kind !== "joint";

/** From one word to another, without the punctuation around them. */
function spanOf(text: string, first: Word, last: Word): Span {
  let [start, end] = [first.start, last.end];
  while (end > start && /[.,;:!?"'”*]/.test(text[end - 1]!)) end--;
  while (start < end && /["'“:*]/.test(text[start]!)) start++;
  const content = balanced(text.slice(start, end));
  return withPercent(text, { content, start, end });
}

/** Without a bracket at an end that has no partner. */
function balanced(text: string): string {
  let result = text;
  // [5, 8) is an interval.
  for (const [open, close] of [
    ["([", ")]"],
    ["{", "}"],
  ] as const) {
    const count = (characters: string) => [...result].filter((c) => characters.includes(c)).length;
    if (count(open) > count(close) && open.includes(result[0]!)) result = result.slice(1);
    if (count(close) > count(open) && close.includes(result.at(-1)!)) result = result.slice(0, -1);
  }
  return result;
}
