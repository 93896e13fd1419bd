/** @file Words around a value: what introduces it, its unit, nouns, and for which letters it holds. */

import { print } from "../print.ts";
import type { Node } from "../tree.ts";
import type { Cursor } from "./cursor.ts";
import { script } from "./powers.ts";
import { isHarmless, isIntroduction, opensQualifier } from "./prose.ts";
import { type Token, unreadable } from "./tokens.ts";
import { isUnit, measureOf } from "./units.ts";
import { UNIT_PARTS } from "./words.ts";

type Quantity = Node & { kind: "quantity" };

const wordOf = (token: Token | undefined): string | undefined =>
  token?.type === "word" || token?.type === "text" ? token.text : undefined;

/** "The answer is", "approximately" and ≈ before a value. */
export function skipIntroduction({ peek, skip }: Cursor): void {
  let ahead = 0;
  for (let token = peek(ahead); token; token = peek(++ahead)) {
    const word = wordOf(token);
    const approximately = token.type === "relation" && (token.op === "~" || (ahead > 0 && token.op === "="));
    if (!approximately && !(word !== undefined && isIntroduction(word))) break;
  }
  if (ahead > 0 && peek(ahead) && peek(ahead)!.type !== "close") skip(ahead);
}

/** Words after a value, which must say nothing: "12 apples". */
export function skipNouns({ peek, skip }: Cursor): void {
  let words = "";
  let ahead = 0;
  if (wordOf(peek()) === undefined) return;
  for (let token = peek(); token; token = peek(++ahead)) {
    const word = wordOf(token) ?? (token.type === "symbol" || token.type === "unit" ? token.name : undefined);
    if (word === undefined) break;
    words += ` ${word}`;
  }
  if (!isHarmless(words)) unreadable("the words after the value change it");
  skip(ahead);
}

const OPENS_REASON = /^\s*,?\s*\(?\s*(?:since|because)\b/i;

/** "for all x ∈ ℝ" and "where c is a constant", to the end of the answer. */
export function skipQualifier({ peek, skip }: Cursor): boolean {
  let words = "";
  let ahead = 0;
  let numbers = 0;
  if (!(peek()?.type === "command" && (peek() as { name: string }).name === "forall")) {
    for (let token = peek(ahead); token && wordOf(token) !== undefined; token = peek(++ahead))
      words += ` ${wordOf(token)}`;
    if (OPENS_REASON.test(words)) {
      // "(since x > 0)": nothing that follows is the answer.
      let open = words.split("(").length - words.split(")").length;
      for (let token = peek(ahead); token; token = peek(++ahead)) {
        if (token.type === "open") open++;
        else if (token.type === "close" && --open < 0) break;
      }
      skip(ahead);
      return true;
    }
    if (!opensQualifier(words)) return false;
  }
  let depth = 0;
  for (let token = peek(ahead); token; token = peek(++ahead)) {
    if (token.type === "open") depth++;
    else if (token.type === "close" && --depth < 0) break;
    if (token.type === "number" || (token.type === "relation" && token.op !== "in")) numbers++;
    words += ` ${wordOf(token) ?? ""}`;
  }
  // "where x = 2" says more than for which letters.
  if ((numbers > 0 && /^\s*where/.test(words)) || !isHarmless(words.replace(/\bis\b|\bare\b/g, ""))) return false;
  skip(ahead);
  return true;
}

/** The unit or noun at the cursor, as part of a value. */
export function unitOf(cursor: Cursor, value: Node): Node | undefined {
  const { peek, skip } = cursor;
  const token = peek();
  if (token?.type === "text") {
    if (opensQualifier(token.text) || OPENS_REASON.test(token.text)) return undefined;
    const text = /^\s*\((.*)\)\s*$/s.exec(token.text)?.[1] ?? token.text;
    if (!isHarmless(text.replace(/\^?\{?-?\d\}?/g, (digits) => (measureOf(text) ? "" : digits))))
      return unreadable("the words after the value change it");
    skip();
    return withUnit(value, text);
  }
  const isPart = (next: Token | undefined) =>
    next?.type === "unit" || (next?.type === "word" && UNIT_PARTS.has(next.text));
  if (!isPart(token)) return undefined;
  const parts: string[] = [];
  for (let next = peek(); isPart(next); next = peek()) {
    parts.push(next!.type === "unit" ? next!.name : (next as { text: string }).text);
    skip();
    if (next!.type === "unit" && next!.name === "degree" && peek()?.type !== "word") break;
  }
  if (parts.every((part) => part === "squared" || part === "cubed")) return unreadable("a power in words");
  return withUnit(value, parts.join(" "));
}

/** A value with its unit, or with one more: "$12 per hour". */
export const withUnit = (value: Node, unit: string): Quantity =>
  value.kind === "quantity" && value.unit !== "degree"
    ? { ...value, unit: `${value.unit} ${unit}` }
    : { kind: "quantity", value, unit };

/** The unit goes on after a stroke or a point: km/h, m·s^{-2}. */
export function unitAfter(cursor: Cursor, left: Quantity): Quantity | undefined {
  const { peek, skip, isSign, takeSign } = cursor;
  const [stroke, times] = [isSign("/"), isSign("*")];
  if (!stroke && !times) return undefined;
  const token = peek(1);
  const name = token?.type === "unit" || token?.type === "symbol" ? token.name : wordOf(token);
  if (name === undefined || !token || (times && !measureOf(name))) return undefined;
  // x of 5 cm · x is no unit.
  if (times && token.type === "symbol" && !measureOf(left.unit)) return undefined;
  if (token.type === "symbol" && !isUnit(name)) return undefined;
  skip(2);
  const exponent = takeSign("^") ? `^${print(script(cursor))}` : "";
  return { ...left, unit: `${left.unit}${stroke ? "/" : "*"}${name}${exponent}` };
}
