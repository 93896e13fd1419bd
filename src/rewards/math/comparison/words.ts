/** @file Answers that are words. */

import { sameText } from "../extraction/text.ts";
import type { Node } from "../tree.ts";
import type { Rule } from "./compare.ts";

/** Words are equal as words; letters side by side may be one. */
export function texts(a: Node, b: Node): Rule {
  const written = (node: Node) => (node.kind === "text" ? node.text : lettersOf(node));
  const [x, y] = [written(a), written(b)];
  if (x === undefined || y === undefined) return undefined;
  // A time of day without its half.
  const half = / [ap]m$/;
  if (/^\d+:\d\d/.test(x) && half.test(x) !== half.test(y))
    return x.replace(half, "") === y.replace(half, "") ? "same time" : undefined;
  if (sameText(x, y)) return "same words";
  // A verdict with its reason: "Yes, it converges".
  const verdict = /^(yes|no|true|false)(?=$|[,.;:!])/i;
  const [given, asked] = [verdict.exec(x.trim())?.[1], verdict.exec(y.trim())?.[0]];
  return given &&
    asked &&
    !/\b(?:yes|no|true|false|maybe)\b/i.test(x.trim().slice(given.length)) &&
    asked.length === y.trim().length &&
    given.toLowerCase() === asked.toLowerCase()
    ? "same verdict"
    : undefined;
}

/** The letters of a product of letters, as in $odd$. */
function lettersOf(node: Node): string | undefined {
  if (node.kind === "symbol") return node.name.replace(/^\\/, "");
  if (node.kind !== "operation" || node.op !== "*") return undefined;
  const [left, right] = [lettersOf(node.left), lettersOf(node.right)];
  return left !== undefined && right !== undefined ? left + right : undefined;
}
