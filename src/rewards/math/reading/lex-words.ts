/** @file Letters in a row: functions, units after a value, words, or products of symbols. */

import { withoutEnd } from "../extraction/text.ts";
import { isHarmless, opensQualifier } from "./prose.ts";
import { isSignToken, isValue, type Push, type Token } from "./tokens.ts";
import { CURRENCIES } from "./unit-names.ts";
import { isUnit, measureOf } from "./units.ts";
import {
  BRACKET_FUNCTIONS,
  GREEK,
  JOINTS,
  NOUNS,
  PERCENT_WORDS,
  PREFIX_FUNCTIONS,
  SCALE_WORDS,
  STOP_WORDS,
  UNIT_PARTS,
} from "./words.ts";

/** Words in braces: a separator, a letter, a function, a percent sign, a number with words, or words alone. */
export function lexText(words: string, last: Token | undefined, push: Push, lex: (text: string) => Token[]): void {
  const text = words
    .replace(/[~]|\\[,;: ]/g, " ")
    .replace(/(?<!\\)\$/g, " ")
    .trim();
  const lower = withoutEnd(text.toLowerCase(), ",;. \n\t").replace(/^[,;\s]+/, "");
  if (text === "") return;
  const scale = SCALE_WORDS[withoutEnd(lower, "s")] ?? SCALE_WORDS[lower];
  if (lower === "") push({ type: "sign", sign: "," });
  else if (Object.hasOwn(JOINTS, lower)) push({ type: "sign", sign: JOINTS[lower]! });
  else if (/^\\?%$/.test(lower) || PERCENT_WORDS.has(lower) || lower === "per cent")
    push({ type: "sign", sign: "percent" });
  else if (Object.hasOwn(CURRENCIES, text)) push({ type: "unit", name: CURRENCIES[text]! });
  else if (isValue(last) && scale !== undefined) push({ type: "scale", value: scale });
  else if (/^[A-Za-z]$/.test(text) && !(isValue(last) && isUnit(text))) push({ type: "symbol", name: text });
  else if (last?.type === "number" && lower === "to") push({ type: "relation", op: ":" });
  else if (isValue(last) && lower !== "negative" && Object.hasOwn(OPERATOR_WORDS, lower))
    push({ type: "sign", sign: OPERATOR_WORDS[lower]! });
  else if (lower === "mod") push({ type: "command", name: "bmod" });
  else if (isValue(last) && isUnit(text)) push({ type: "text", text });
  else if (PREFIX_FUNCTIONS.has(text) || BRACKET_FUNCTIONS.has(text)) push({ type: "function", name: text });
  else if (/\d|^\s*\\?\$/.test(text) && text.length < 300 && !isExponentOfUnit(text))
    for (const token of lex(text)) push(token);
  else {
    // "million dollars", "percent of them"
    const first = isValue(last) ? /^(\w+|per cent)\s+(.+)$/.exec(text) : undefined;
    const leading = first ? SCALE_WORDS[first[1]!.toLowerCase()] : undefined;
    const percent = first && PERCENT_WORDS.has(first[1]!.toLowerCase().replace(" ", ""));
    if (leading) push({ type: "scale", value: leading });
    if (percent) push({ type: "sign", sign: "percent" });
    push({ type: "text", text: leading || percent ? first![2]! : text });
  }
}

/** Operators in words, before a number. */
const OPERATOR_WORDS: Readonly<Record<string, string>> = { negative: "-", minus: "-", plus: "+", times: "*" };

/** "m/s^2" holds a digit, and is a unit. */
const isExponentOfUnit = (written: string) => {
  const text = written.replace(/\\(?:cdot|times)(?![A-Za-z])|⋅/g, "·");
  return (
    /^[A-Za-z°μ/·*\s^{}()-]*[23]?[A-Za-z/·*\s^{}()\d-]*$/.test(text) &&
    /^[A-Za-z°μ]/.test(text) &&
    measureOf(text) !== undefined
  );
};

/** A run of letters without a backslash. */
export function lexWord(word: string, tokens: readonly Token[], space: boolean, push: Push, after: string): void {
  const last = tokens.at(-1);
  const lower = word.toLowerCase();
  const afterUnit = isValue(last) || (last?.type === "word" && UNIT_PARTS.has(last.text));
  const afterSymbol = space && last?.type === "symbol" && word.length > 1;
  if (lower === "or" && /^ (?:so|thereabouts)/.test(after)) push({ type: "word", text: "about" });
  else if (Object.hasOwn(OPERATOR_WORDS, lower) && /^\s*[\d\\]/.test(after))
    push({ type: "sign", sign: OPERATOR_WORDS[lower]! });
  else if (word === "to" && last?.type === "number" && /^\s*\d/.test(after)) push({ type: "relation", op: ":" });
  else if (lower === "and" || lower === "or") push({ type: "sign", sign: lower });
  else if (PERCENT_WORDS.has(lower.replace(" ", ""))) push({ type: "sign", sign: "percent" });
  else if (word === "in" && last?.type === "symbol") push({ type: "relation", op: "in" });
  else if ((afterUnit || afterSymbol) && word.length > 1 && isUnit(word) && !after.startsWith("("))
    push({ type: "unit", name: word });
  else if (word.startsWith("US") && word.endsWith("$")) push({ type: "unit", name: "dollar" });
  else if (Object.hasOwn(CURRENCIES, word) && word.length > 1) push({ type: "unit", name: CURRENCIES[word]! });
  else if (isValue(last) && Object.hasOwn(SCALE_WORDS, lower)) push({ type: "scale", value: SCALE_WORDS[lower]! });
  else if (PREFIX_FUNCTIONS.has(word) || (BRACKET_FUNCTIONS.has(word) && /^\s*[({\\]/.test(after)))
    push({ type: "function", name: word });
  else if (word === "mod") push({ type: "command", name: "bmod" });
  else if (word === "frac" || word === "boxed") push({ type: "command", name: word });
  else if (lower === "infinity" || word === "oo" || word === "inf") push({ type: "symbol", name: "oo" });
  else if (word.length > 1 && GREEK.has(word)) push({ type: "symbol", name: word });
  else if (word.length > 1 && isUnit(word) && isSignToken(last, "/")) push({ type: "unit", name: word });
  else if (word === "U" && last?.type === "close") push({ type: "sign", sign: "union" });
  else if (word === "x" && last?.type === "number" && (/^\s*10\s?\^/.test(after) || /^\s?\d/.test(after)))
    push({ type: "sign", sign: "*" });
  else if (STOP_WORDS.has(lower) && /^.[a-z]+$/.test(word)) push({ type: "word", text: word });
  else if (isValue(last) && space && (NOUNS.has(word) || (/^[a-z]{2,3}$/.test(word) && /^ [a-z]{3}/.test(after))))
    push({ type: "word", text: word });
  else if (word.length <= 3) for (const name of word) push({ type: "symbol", name });
  else push({ type: "word", text: word });
}

/** A run of letters of another script after a value: a scale, a unit, a joint or a noun. */
export function lexForeign(run: string, last: Token | undefined, push: Push): boolean {
  if (Object.hasOwn(JOINTS, run)) push({ type: "sign", sign: JOINTS[run]! });
  else if (!isValue(last)) {
    if (!isHarmless(run) && !opensQualifier(run)) return false;
    push({ type: "word", text: run });
  } else {
    const scale = Object.keys(SCALE_WORDS)
      .filter((name) => run.startsWith(name))
      .sort((a, b) => b.length - a.length)[0];
    if (scale) push({ type: "scale", value: SCALE_WORDS[scale]! });
    const noun = run.slice(scale?.length ?? 0);
    if (noun) push({ type: "text", text: noun });
  }
  return true;
}
