/** @file LaTeX's environments. */

import { determinant } from "../algebra/matrix.ts";
import { Beyond } from "../limits.ts";
import { call, type Node } from "../tree.ts";
import type { Cursor } from "./cursor.ts";
import { relation, separated } from "./parse.ts";
import { unreadable } from "./tokens.ts";

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
      rows.at(-1)!.push(cursor.insideBars(0, () => relation(cursor)));
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

/** Values with their conditions, which are a function; otherwise what holds together. */
function casesOf(rows: readonly Node[][]): Node {
  const isConditional = rows.length > 1 && rows.every((row) => row.length === 2 && isCondition(row[1]!));
  if (!isConditional) return { kind: "set", written: false, joint: "and", items: rows.flat() };
  const [first, ...others] = rows.map(([value, condition]) => call("case", value!, condition!));
  return call("piecewise", first!, ...others);
}

const isCondition = (node: Node): boolean =>
  node.kind === "relation" ||
  (node.kind === "text" && /^(?:otherwise|else|elsewhere)$/.test(node.text.trim().toLowerCase())) ||
  (node.kind === "set" && !node.written && node.items.every(isCondition));

/** "if", "when" and "for" before a condition. */
function skipCondition({ peek, skip }: Cursor): boolean {
  const token = peek();
  const word = token?.type === "text" || token?.type === "word" ? token.text.trim().toLowerCase() : undefined;
  if (word === undefined || !/^,?\s*(?:if|when|for|where)$/.test(word)) return false;
  skip();
  return true;
}

function endEnvironment({ isCommand, skip, takeText }: Cursor): void {
  if (!isCommand("end")) unreadable("an environment is not closed");
  skip();
  takeText();
}
