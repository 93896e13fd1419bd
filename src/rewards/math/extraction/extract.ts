/** @file Where a completion gives its answer. */

import { LIMITS } from "../limits.ts";
import { isCode, readAnswer } from "../reading/read.ts";
import {
  ANSWER,
  clauseEnd,
  EXPLICIT,
  type Extracted,
  extracted,
  FINAL,
  isDoubted,
  lastAnchor,
  TAIL,
} from "./anchors.ts";
import { givenBox } from "./boxes.ts";
import { withoutDenials, withoutRemarks } from "./denials.ts";
import { formulas, joinedFormulas, withPercent } from "./formulas.ts";
import { lastFormula } from "./plain-formulas.ts";

/** The part of a completion that may hold its answer: after its thoughts, without markup and special tokens. */
export function readable(completion: string): string {
  const text = completion.slice(-LIMITS.completion);
  const thoughts = text.lastIndexOf("</think>");
  const rest = thoughts < 0 || text.slice(thoughts + 8).trim() === "" ? text : text.slice(thoughts + 8);
  const next = rest.search(/\n[ \t]*\n(?:Question|Problem|Q)[ \t]?:/);
  // What answers and goes on with another question has answered before it.
  const first = next > 0 && /####|boxed|answer/i.test(rest.slice(0, next)) ? rest.slice(0, next) : rest;
  return first
    .replace(/<\|[^|<>]{1,40}\|>|<\/?think>/g, " ")
    .replace(/(?<![\w)\]}*])\*\*(?=\S)([^*\n]{1,300}?)(?<=\S)\*\*(?![\w(\\*])/g, "$1")
    .replace(/(?<![\w)\]}])__(?=[^\s_])([^_\n]{1,300}?)(?<=[^\s_])__(?![\w(\\])/g, "$1");
}

/** The answer where training demands it: in the last box or the last <answer>, outside of thoughts. */
export function extractStrict(completion: string): Extracted | undefined {
  const text = completion.slice(-LIMITS.completion);
  const thoughts = text.lastIndexOf("</think>");
  if (thoughts < 0 && text.includes("<think>")) return undefined;
  const rest = text.slice(thoughts < 0 ? 0 : thoughts + 8);
  const tagged = lastTagged(rest);
  const box = givenBox(tagged ?? rest);
  if (box) return extracted(withPercent(tagged ?? rest, box).content, "box");
  return tagged === undefined || tagged.trim() === "" ? undefined : extracted(tagged, "answer tag");
}

/** The answer wherever a reader would find it; `open` also takes a box that is never closed. */
export function extractLenient(completion: string, open = false): Extracted | undefined {
  const whole = readable(completion);
  const text = lastTagged(whole) ?? whole;
  if (text.trim() === "") return undefined;
  const box = givenBox(text, open);
  const said = withoutDenials(text);
  const final = lastAnchor(said, FINAL, box?.end ?? 0);
  // "Final answer: the digits are … Answer: 9"
  const later = final && lastAnchor(said, EXPLICIT, final.end);
  if (later && later.node.kind !== "text") return later;
  if (final && (final.decisive || final.node.kind !== "text")) return final;
  if (box) return extracted(withPercent(text, box).content, "box");
  const tail = said.slice(-TAIL);
  if (tail.trim() === "") return undefined;
  const anchored = lastAnchor(tail, ANSWER, 0);
  if (anchored && (anchored.decisive || anchored.node.kind !== "text")) return anchored;
  const isWhole = text.length <= 600 && said === text && !isSentence(text) && !CONCLUDES.test(text);
  const read = isWhole ? readAnswer(unexclaimed(text)) : undefined;
  if (read && read.kind !== "text") return { span: text.trim(), node: read, place: "whole text" };
  const listed = LISTED.exec(tail)?.[1];
  if (listed) return extracted(listed, "last formula");
  const formula = lastIn(withoutRemarks(tail));
  if (formula && formula.node.kind !== "symbol") return formula;
  if (anchored) return anchored;
  return text.length <= 600 ? { span: text.trim(), node: read ?? { kind: "text", text }, place: "words" } : undefined;
}

/** Where words may give the answer: in the box, after "answer is", as the last line, as the whole. */
export function wordsAt(completion: string): string[] {
  const whole = readable(completion);
  const text = lastTagged(whole) ?? whole;
  const box = givenBox(text);
  if (box) return [box.content];
  const tail = withoutDenials(text).slice(-TAIL);
  const anchor = [...tail.matchAll(ANSWER)]
    .slice(-4)
    .filter(({ index, 0: found }) => !isDoubted(tail, index, found))
    .at(-1);
  const from = anchor ? anchor.index + anchor[0].length : 0;
  const clause = anchor ? tail.slice(from, clauseEnd(tail, from)) : "";
  const lines = tail.trim().split("\n");
  return [clause, lines.at(-1)!, tail].map((part) => part.trim()).filter((part) => part !== "" && part.length <= 600);
}

/** "Il y a" and "Hay" are no products of letters. */
const OPENS_SENTENCE =
  /^\s*I\s[a-z]{2,}|^\s*(?!The |So |It |We |He |She |Our |My |Thus )\p{Lu}\p{Ll}{1,2} (?=[\p{L}\d])/u;

/** What comes before "so" or after "because" is not the answer. */
const CONCLUDES = /\S[^\n]*?[\s,;.](?:so|thus|hence|therefore|because|since)[\s,]/i;

/** Whether words are rather a sentence than a formula that they introduce. */
const isSentence = (text: string) =>
  OPENS_SENTENCE.test(text) || (text.match(/(?<![\\{A-Za-z])[A-Za-z]{2,}(?![A-Za-z(])/g) ?? []).length > 4;

/** "Their ages are 12 and 15." */
const LISTED =
  /\b(?:are|were)\s+([-−]?\d[\d,./]*(?:\s*,\s*[-−]?\d[\d,./]*)*\s*,?\s+and\s+[-−]?\d[\d,./]*?)(?:\s[^.\d\n]*)?[.!]?\s*$/;

/** "The answer is 42!" ends with a cry, 42! by itself is a number. */
const unexclaimed = (text: string) => (/[A-Za-z]{3,}\s/.test(text) ? text.replace(/(?<=\d)!+\s*$/, "") : text);

function lastTagged(text: string): string | undefined {
  const end = text.lastIndexOf("</answer>");
  if (end < 0) return undefined;
  const start = text.lastIndexOf("<answer>", end);
  return start < 0 ? undefined : text.slice(start + 8, end);
}

/** The last formula between marks, or the last of the plain text, whichever ends later. */
function lastIn(text: string): Extracted | undefined {
  const all = formulas(text);
  const last = all.at(-1);
  const plain = lastFormula(text, last?.end ?? 0, text.length);
  if (plain && !isCode(lineAt(text, plain.number.start))) {
    const read = extracted(plain.formula.content, "last formula");
    // Words that look like operators may surround a number; in LaTeX nothing is taken out of a formula.
    const loose = read.node.kind === "text" && !plain.formula.content.includes("\\");
    return loose ? extracted(plain.number.content, "last formula") : read;
  }
  return last && extracted(joinedFormulas(text, all, all.length - 1, -1).content, "last formula");
}

function lineAt(text: string, at: number): string {
  const start = text.lastIndexOf("\n", at) + 1;
  const end = text.indexOf("\n", at);
  return text.slice(Math.max(start, at - 500), end < 0 ? at + 500 : Math.min(end, at + 500));
}
