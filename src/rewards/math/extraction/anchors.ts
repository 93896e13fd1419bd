/** @file What leads to an answer, and the answer behind it. */

import { COMPUTED_FROM, isHarmless } from "../reading/prose.ts";
import { readAnswer } from "../reading/read.ts";
import type { Node } from "../tree.ts";
import { UNDECIDED } from "./denials.ts";
import { formulas, joinedFormulas, type Said, type Span } from "./formulas.ts";
import { firstFormula, leadingFormula } from "./plain-formulas.ts";

export type Place = "box" | "answer tag" | "final answer" | "answer" | "whole text" | "last formula" | "words";

/** The text of an answer, what it reads as, and where it stood. */
export type Extracted = { span: string; node: Node; place: Place };

/** Characters at the end of a completion in which it answers. */
export const TAIL = 6_000;

export const EXPLICIT = /\banswer\s*:/gi;
export const FINAL = /final\s+answer\b[^\n]{0,40}?(?:\bis\b:?|:)/gi;
export const ANSWER =
  /\b(?:wait|actually|correction|oops|sorry|scratch that|on second thought)\b[^.\n$\\\d]{0,30}?\b(?:it|this|that)(?:[’']s|\s(?:is|should be|must be|equals))(?=\s*(?:\$|\\\(|\*\*|[-+−]?\d))|\b(?:answer|solution|result)s?\b[^.\n$\\]{0,40}?(?:\b(?:is|are|be|equals)\b:?|:|=)|\banswers?\s(?=\$|\\[([])|####|(?:答案|答|结果)[是为]?[：:]?|答え[は：:]|정답[은는:：]?|(?:réponse|respuesta|resposta|risposta|antwort|ответ|odpowiedź|cevap|الإجابة|الجواب|उत्तर)\s?(?:finale?\s)?(?:est|es|é|è|ist|هي|هو|है)?\s?[:：]?/giu;

export function extracted(span: string, place: Place): Extracted {
  return { span: span.trim(), node: readAnswer(span), place };
}

/** What follows the last anchor that begins at `from` or later and has something after it. */
export function lastAnchor(
  text: string,
  anchor: RegExp,
  from: number,
): (Extracted & { end: number; decisive: boolean }) | undefined {
  const start = Math.max(from, text.length - TAIL);
  const found = [...text.slice(start).matchAll(anchor)].slice(-4).reverse();
  for (const match of found) {
    if (isDoubted(text, start + match.index, match[0])) continue;
    const after = start + match.index + match[0].length;
    const place = anchor === FINAL ? "final answer" : "answer";
    const answer = followedBy(text, after);
    if (answer) return { ...extracted(answer.content, place), end: after, decisive: answer.decisive ?? false };
  }
  return undefined;
}

const DOUBTED = new RegExp(`${UNDECIDED}$|\\b(?:may|might|could)\\s(?:well\\s|also\\s)?be:?\\s*$`, "iu");

/** Whether the clause in which an anchor stands doubts what it says. */
export function isDoubted(text: string, at: number, anchor: string): boolean {
  const clause = /[^.,;:!?\n]*$/.exec(text.slice(Math.max(0, at - 120), at))![0];
  return DOUBTED.test(clause + anchor);
}

/** The formula right after a place, or the first one of the clause that begins there, or its words. */
function followedBy(text: string, from: number): Said | undefined {
  const skipped = /^(?:[\s:"“*]|\\")*/.exec(text.slice(from, from + 40))![0].length;
  const start = from + skipped;
  const all = formulas(text.slice(start, start + 2_500)).map((span) => moved(span, start));
  if (all[0]?.start === start) return joinedFormulas(text, all, 0, 1);
  const end = clauseEnd(text, start);
  const leading = leadingFormula(text, start, end);
  if (leading && !CHANGED_AFTER.test(text.slice(leading.end, leading.end + 20))) return leading;
  const formula = all.findIndex((span) => span.start < end);
  const number = firstFormula(text, start, formula < 0 ? end : all[formula]!.start);
  // "half of 7", "negative 7", "7 squared"
  const [before, after] = number
    ? [text.slice(start, number.start), text.slice(number.end, number.end + 20)]
    : ["", ""];
  const isChanged =
    COMPUTED_FROM.test(before) ||
    !isHarmless(before.replace(/\b(?:is|are|was|but|instead|actually|however)\b/g, " ")) ||
    CHANGED_AFTER.test(after);
  if (number && !isChanged) return number;
  if (number) return { content: text.slice(start, end).trim(), start, end, decisive: true };
  if (formula >= 0) return joinedFormulas(text, all, formula, 1);
  const words = text.slice(start, end).trim();
  return words === "" || words.length > 80 ? undefined : { content: words, start, end };
}

const CHANGED_AFTER =
  /^\s+(?:squared|cubed|factorial|halves|thirds|doubled|(?:more|less|fewer|greater|larger|smaller|higher|lower) than|times (?:as|the|more|less|larger|smaller|bigger|greater|\d+)|(?:divided|multiplied) by|(?:plus|minus|over|percent of) \d+)\b/;

const moved = (span: Span, by: number): Span => ({ ...span, start: span.start + by, end: span.end + by });

/** Where the sentence or line ends. */
export function clauseEnd(text: string, from: number): number {
  const rest = text.slice(from, from + 300);
  const end = rest.search(
    /[.!?](?=\s|$)|[。！？\n]|\bI hope\b|(?<=[A-Za-z]),?\s(?:since|because)\b|(?<=[A-Za-z]),\s(?:not|rather than)\b/,
  );
  return from + (end < 0 ? rest.length : end);
}
