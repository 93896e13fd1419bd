/** @file LaTeX's environments. */

import { determinant } from "../algebra/matrix.ts";
import { Beyond } from "../limits.ts";
import { call, type Node } from "../tree.ts";
import type { Cursor } from "./cursor.ts";
import { relation, separated } from "./parse.ts";
import { isSignToken, unreadable } from "./tokens.ts";

const MATRICES = new Set("matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array cases".split(" "));
const DERIVATIONS = new Set("align aligned equation gather gathered split".split(" "));

/** What stands between \begin{…} and \end{…}: steps of a derivation, or a matrix. */
export function environment(cursor: Cursor): Node {
  const { peek, skip, isBracket, isCommand, takeSign } = cursor;
  const name = cursor.takeText().trim().replace("*", "");
  if (DERIVATIONS.has(name)) {
    cursor.removeAlignment();
    const inner = separated(cursor);
    endEnvironment(cursor);
    return inner;
  }
  if (!MATRICES.has(name)) return unreadable(`${name} is no matrix`);
  // The columns of an array.
  if (name === "array" && isBracket("open", "{")) {
    while (peek() && !isBracket("close", "{")) skip();
    skip();
  }
  const rows: Node[][] = [[]];
  while (!isCommand("end")) {
    if (takeSign("newline")) rows.push([]);
    else if (isCommand("hline")) skip();
    else if (!takeSign("&", ",") && !(name === "cases" && skipCondition(cursor))) {
      if (rows.length * rows[0]!.length > 144) throw new Beyond("a matrix has too many cells");
      const words = name === "cases" && rows.at(-1)!.length > 0 ? conditionInWords(cursor) : undefined;
      rows.at(-1)!.push(words ?? cursor.insideBars(0, () => relation(cursor)));
    }
  }
  endEnvironment(cursor);
  const full = rows.filter((row) => row.length > 0);
  if (full.length === 0) return unreadable("a matrix is empty");
  if (name === "cases") return casesOf(full);
  if (full.some((row) => row.length !== full[0]!.length)) unreadable("the rows of a matrix differ in length");
  // An array of one cell only lays it out.
  if (name === "array" && full.length === 1 && full[0]!.length === 1) return full[0]![0]!;
  return name === "vmatrix" ? determinant(full) : { kind: "matrix", rows: full };
}

/** Values with their conditions, which are a function; rows of one cell hold together. */
function casesOf(rows: readonly Node[][]): Node {
  if (rows.every((row) => row.length === 1)) return { kind: "set", written: false, joint: "and", items: rows.flat() };
  const [first, ...others] = rows.map(([value, ...conditions]) => call("case", value!, ...conditions));
  return call("piecewise", first!, ...others);
}

/** "if", "when" and "for" before a condition. */
function skipCondition({ peek, skip }: Cursor): boolean {
  const token = peek();
  const word = token?.type === "text" || token?.type === "word" ? token.text.trim().toLowerCase() : undefined;
  if (word === undefined || !/^,?\s*(?:if|when|for|where)$/.test(word)) return false;
  skip();
  return true;
}

/** A condition with words in it, as words: "n is even". */
function conditionInWords({ peek, skip }: Cursor): Node | undefined {
  const parts: string[] = [];
  let ahead = 0;
  let hasWords = false;
  for (let token = peek(); token; token = peek(++ahead)) {
    if (isSignToken(token, "&", "newline") || (token.type === "command" && token.name === "end")) break;
    hasWords ||= token.type === "text" || token.type === "word";
    if ("text" in token) parts.push(token.text);
    else if ("name" in token) parts.push(token.name);
    else if (token.type === "relation") parts.push(token.op);
    else if (token.type === "sign") parts.push(token.sign);
    else return undefined;
  }
  if (!hasWords) return undefined;
  skip(ahead);
  const words = parts.join(" ").replace(/\b(?:if|when|for|where|is|are)\b/gi, " ");
  return { kind: "text", text: words.replace(/\s+/g, " ").replace(/^[ ,]+|[ ,.]+$/g, "") };
}

function endEnvironment({ isCommand, skip, takeText }: Cursor): void {
  if (!isCommand("end")) unreadable("an environment is not closed");
  skip();
  takeText();
}
