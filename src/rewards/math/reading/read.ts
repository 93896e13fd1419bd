/** @file From the text of one answer to a tree. */

import { integer } from "../algebra/rational.ts";
import { plainWords, withoutEnd } from "../extraction/text.ts";
import { Beyond, LIMITS } from "../limits.ts";
import { type Node, number } from "../tree.ts";
import { numberInWords } from "./number-words.ts";
import { parse } from "./parse.ts";
import { Unreadable } from "./tokens.ts";

/** The tree of an answer; words where it is no mathematics. */
export function readAnswer(source: string): Node {
  if (source.length > LIMITS.answer) return { kind: "text", text: source.slice(0, LIMITS.answer) };
  const text = withoutEnd(undoubled(source.trim()).replace(/^[\s:]+/, ""), " \t\n\r,;:\\");
  const time = timeOf(text);
  if (time) return { kind: "text", text: time };
  const words = plainWords(text).toLowerCase();
  const inWords = numberInWords(words);
  if (inWords !== undefined) return number(integer(inWords));
  if (isCode(text)) return { kind: "text", text: source };
  try {
    return parse(text);
  } catch (error) {
    // What is no mathematics, or too much of it, is compared as words.
    if (error instanceof Unreadable || error instanceof Beyond) return { kind: "text", text };
    throw error;
  }
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
