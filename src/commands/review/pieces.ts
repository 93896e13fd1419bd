/** @file A completion in pieces that are shown each in its own way. */

import { visible } from "../../core/html.ts";
import { type Formula, formulaOf } from "./formula.ts";

export type TextPiece =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string; language: string }
  | { kind: "formula"; text: string; formula: Formula; display: boolean };
export type Piece = { kind: "reasoning"; pieces: TextPiece[] } | TextPiece;

/** The reasoning, and what stands before and behind it. */
export function completionPieces(completion: string): Piece[] {
  const end = completion.indexOf("</think>");
  if (end < 0) return textPieces(completion);
  const start = completion.indexOf("<think>");
  const opened = start >= 0 && start < end;
  return [
    ...textPieces(opened ? completion.slice(0, start) : ""),
    { kind: "reasoning", pieces: textPieces(completion.slice(opened ? start + "<think>".length : 0, end)) },
    ...textPieces(completion.slice(end + "</think>".length)),
  ];
}

/** Fenced code; \[ \], $$ $$, \( \) and $ $, of which the last is a formula only where nothing speaks for money. */
const MARKS =
  /```([\w+-]*)[^\n`]*\n([\s\S]*?)(?:```|$)|\\\[([\s\S]+?)\\\]|\$\$([\s\S]+?)\$\$|\\\(([\s\S]+?)\\\)|\$(?![\s\d.,]+(?:\s|$|[.,;:!?)]))([^\s$](?:[^$\n]{0,300}[^\s$])?)\$(?!\d)/g;

/** The text, code and formulas of a text. */
export function textPieces(text: string): TextPiece[] {
  const found: TextPiece[] = [];
  let at = 0;
  const plain = (to: number) => {
    if (to > at) found.push({ kind: "text", text: visible(text.slice(at, to)) });
  };
  for (const match of text.matchAll(MARKS)) {
    const [whole, language, code, ...latex] = match;
    const display = latex[0] ?? latex[1];
    const written = display ?? latex[2] ?? latex[3];
    const formula = written === undefined ? undefined : formulaOf(visible(written));
    if (code === undefined && !formula) continue;
    plain(match.index);
    found.push(
      code === undefined
        ? { kind: "formula", text: visible(whole), formula: formula!, display: display !== undefined }
        : { kind: "code", text: visible(code), language: language ?? "" },
    );
    at = match.index + whole.length;
  }
  plain(text.length);
  return found;
}
