/** @file LaTeX's environments. */

import { determinant } from "../algebra/matrix.ts";
import { Beyond } from "../limits.ts";
import type { Node } from "../tree.ts";
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
    else if (!takeSign("&", ",")) {
      if (rows.length * rows[0]!.length > 144) throw new Beyond("a matrix has too many cells");
      rows.at(-1)!.push(cursor.insideBars(0, () => relation(cursor)));
    }
  }
  endEnvironment(cursor);
  const full = rows.filter((row) => row.length > 0);
  if (full.length === 0) return unreadable("a matrix is empty");
  if (name === "cases") return { kind: "set", written: false, joint: "and", items: full.flat() };
  if (full.some((row) => row.length !== full[0]!.length)) unreadable("the rows of a matrix differ in length");
  // An array of one cell only lays it out.
  if (name === "array" && full.length === 1 && full[0]!.length === 1) return full[0]![0]!;
  return name === "vmatrix" ? determinant(full) : { kind: "matrix", rows: full };
}

function endEnvironment({ isCommand, skip, takeText }: Cursor): void {
  if (!isCommand("end")) unreadable("an environment is not closed");
  skip();
  takeText();
}
