/** @file The boxes of a completion, \boxed{…} and \fbox{…}, found from its end. */

import { isDenied } from "./denials.ts";

/** What the last box holds, or the last boxes that belong together, joined by commas; and where it stands. */
export type Box = { content: string; start: number; end: number };

const LONGEST = 4_000;
const MOST = 48;

/**
 * The last closed box, with those before it that only a conjunction or comma parts from it. With `open`, a box that is
 * never closed holds all that follows it.
 */
export function lastBox(text: string, open = false): Box | undefined {
  let last = boxBefore(text, text.length, open);
  // "I put it in \boxed{}" gives no answer beside one that does.
  for (let [i, before] = [0, last]; i < MOST && before && last?.content.trim() === ""; i++) {
    if (before.content.trim() !== "") last = before;
    before = boxBefore(text, before.start, false);
  }
  if (!last) return undefined;
  const group = [last];
  while (group.length < MOST) {
    const before = boxBefore(text, group[0]!.start, false);
    if (!before || before.content.trim() === "" || !belongsTogether(text.slice(before.end, group[0]!.start))) break;
    group.unshift(before);
  }
  const glued = (i: number) => isBlank(text.slice(group[i]!.end, group[i + 1]!.start));
  // Boxes side by side are parts of one answer only if all differ: one that comes back is an answer given again.
  const distinct = new Set(group.map((box) => box.content.trim())).size === group.length;
  let first = 0;
  if (!distinct) for (let i = group.length - 2; i >= first; i--) if (glued(i)) first = i + 1;
  const chosen = distinct ? group : withoutRepeats(group.slice(first));
  return {
    content: chosen.map((box) => box.content).join(chosen.length > 1 ? ", " : ""),
    start: chosen[0]!.start,
    end: last.end,
  };
}

/** The last box that the text does not deny. */
export function givenBox(text: string, open = false): Box | undefined {
  let box = lastBox(text, open);
  for (let i = 0; i < 4 && box && isDenied(text, box); i++) box = lastBox(text.slice(0, box.start));
  return box && !isDenied(text, box) ? box : undefined;
}

function withoutRepeats(group: readonly Box[]): Box[] {
  return group.filter((box, i) => i === group.length - 1 || box.content.trim() !== group[i + 1]!.content.trim());
}

/** The last box that begins before `limit`. */
function boxBefore(text: string, limit: number, open: boolean): Box | undefined {
  let tries = 0;
  for (
    let at = text.lastIndexOf("box", limit - 1);
    at >= 0 && tries < MOST;
    at = at > 0 ? text.lastIndexOf("box", at - 1) : -1
  ) {
    const command = /box(?:ed)?(\s{0,3}\{|\s{1,3}(?=[^\s{\\$]))/y;
    command.lastIndex = at;
    const found = command.exec(text);
    const named = found && (text.startsWith("boxed", at) || text[at - 1] === "f" || text.startsWith("frame", at - 5));
    if (!named) continue;
    tries++;
    if (!found[1]!.includes("{")) {
      const content = withoutBraces(text, at);
      if (content && content.end < limit) return content;
      continue;
    }
    const brace = text.indexOf("{", at);
    const end = closing(text, brace);
    let head = text[at - 1] === "f" ? at - 1 : text.startsWith("frame", at - 5) ? at - 5 : at;
    while (text[head - 1] === "\\") head--;
    if (end !== undefined && end < limit) return { content: text.slice(brace + 1, end), start: head, end: end + 1 };
    if (end === undefined && open)
      return { content: text.slice(brace + 1, brace + 1 + LONGEST), start: head, end: text.length };
  }
  return undefined;
}

/** \boxed 42 inside a formula: TeX takes one token, writers mean what follows up to a space or the formula's end. */
function withoutBraces(text: string, at: number): Box | undefined {
  if (text[at - 1] !== "\\") return undefined;
  const content = /boxed\s+([^\s$\\{}]{1,40})(?=\s*(?:\$|\\\)|\\\]))/y;
  content.lastIndex = at;
  const found = content.exec(text);
  return found ? { content: found[1]!, start: at - 1, end: at + found[0].length } : undefined;
}

function closing(text: string, brace: number): number | undefined {
  let level = 0;
  const stop = Math.min(text.length, brace + LONGEST);
  for (let i = brace; i < stop; i++) {
    const c = text[i];
    if (c === "\\") i++;
    else if (c === "{") level++;
    else if (c === "}" && --level === 0) return i;
  }
  return undefined;
}

const unmarked = (gap: string) =>
  gap
    .replace(/\\(?:quad|qquad|text|mbox|textbf|mathrm)\b|\\[[\](),;!: ]|[${}*~]/g, " ")
    .replace(/[A-Za-z](?:_\s*\w{1,3})?\s*=\s*$/, " ")
    .trim();

const isBlank = (gap: string) => unmarked(gap) === "";

/** Whether what stands between two boxes joins them: nothing, or words that end with one conjunction. */
function belongsTogether(gap: string): boolean {
  if (gap.length >= 70) return false;
  const words = unmarked(gap);
  if (words === "") return true;
  const joints = words.match(/\b(?:and|or|thus|but|then|so)\b/gi) ?? [];
  return joints.length <= 1 && /(?:^|[\s\W])(?:and|or|,|;)$/i.test(words) && !/[.:?!]/.test(words);
}
