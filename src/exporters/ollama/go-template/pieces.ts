/** @file The first reading of a template: what stands as it is, and actions with their words. */

import { DistillError } from "../../../core/errors.ts";

export type Piece = { text: string } | { action: string };

/** Text and actions; `{{- ` and ` -}}` take the blanks beside them, and remarks are gone. */
export function piecesOf(source: string): Piece[] {
  const found: Piece[] = [];
  let [at, trims] = [0, false];
  const pushText = (text: string, trimEnd: boolean) => {
    let kept = trims ? text.replace(/^[ \t\r\n]+/, "") : text;
    if (trimEnd) kept = kept.replace(/[ \t\r\n]+$/, "");
    if (kept) found.push({ text: kept });
  };
  const action = /\{\{(-[ \t\r\n])?((?:"(?:[^"\\]|\\.)*"|`[^`]*`|(?![ \t\r\n]-\}\}|\}\})[^"`])*)([ \t\r\n]-)?\}\}/y;
  for (let start = source.indexOf("{{"); start >= 0; start = source.indexOf("{{", at)) {
    action.lastIndex = start;
    const match = action.exec(source);
    if (!match)
      throw new DistillError(`A Go template has an action that does not end: ${source.slice(start, start + 40)}`);
    pushText(source.slice(at, start), match[1] !== undefined);
    const inner = match[2]!.trim();
    if (!/^\/\*[\s\S]*\*\/$/.test(inner)) found.push({ action: inner });
    [at, trims] = [action.lastIndex, match[3] !== undefined];
  }
  pushText(source.slice(at), false);
  return found;
}

const WORD = /\s*("(?:[^"\\]|\\.)*"|`[^`]*`|:=|=|,|\(|\)|\$\w*(?:\.\w+)*|(?:\.\w+)+|\.|-?\d+|\w+)/y;

/** The words of an action: strings, names, numbers, signs. */
export function wordsOf(action: string): string[] {
  const found: string[] = [];
  WORD.lastIndex = 0;
  for (let at = 0; at < action.length; at = WORD.lastIndex) {
    const match = WORD.exec(action);
    if (!match) throw new DistillError(`A Go template has an action that cannot be read: {{ ${action} }}`);
    found.push(match[1]!);
  }
  return found;
}
