/** @file What a reference says. */

import type { Extracted } from "./extraction/anchors.ts";
import { extractLenient } from "./extraction/extract.ts";
import { readAnswer } from "./reading/read.ts";

/** The reference as a whole, or where a solution in full gives its answer; undefined where it is empty. */
export function readReference(answer: string): Extracted | undefined {
  const text = answer.trim();
  if (text === "" || /^(?:None|null|NaN|nan|undefined)$/.test(text)) return undefined;
  const node = readAnswer(text);
  if (node.kind !== "text" && !text.includes("boxed")) return { span: text, node, place: "whole text" };
  const inside = extractLenient(text, true);
  if (!inside) return undefined;
  const explicit = inside.place !== "last formula" || text.length > 200 || /\$|\\[([]/.test(text);
  return explicit ? inside : { span: text, node, place: "words" };
}
