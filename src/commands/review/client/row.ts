/** @file A whole trace as the page shows it: what stands in it is set as text, never as markup. */

import type { Decision } from "../../../data/decisions.ts";
import type { Formula } from "../formula.ts";
import type { Piece, TextPiece } from "../pieces.ts";
import { document, type Element, make } from "./browser.ts";
import type { Whole } from "./server.ts";

const MATHML = "http://www.w3.org/1998/Math/MathML";

/** The elements of a row for the reviewer who sees it. */
export function shownRow(row: Whole, reviewer: string): Element[] {
  const scores = Object.entries(row.rewards).map(
    ([name, score]) => `${name} ${score === null ? "–" : Number(score.toPrecision(3))}`,
  );
  const about = [`${row.prompt_id}, sample ${row.sample}`, `${row.tokens} tokens`, row.verdict, row.reason, ...scores];
  const edited = row.decisions.findLast((one) => one.edited !== null);
  return [
    make("p", "dim", joined(about)),
    make(
      "p",
      "dim",
      row.answer === null ? "" : `reference ${row.answer}`,
      row.extracted === null ? "" : `  answered ${row.extracted}`,
    ),
    make("div", "prompt", ...row.prompt.map(piece)),
    make("div", "completion", ...row.pieces.map(trimmed).map(piece)),
    ...(edited ? [make("h3", "", `Edited by ${edited.reviewer}`), make("pre", "completion", edited.edited!)] : []),
    ...row.decisions.map((one) => make("p", `said ${one.decision ?? ""}`, saidBy(one))),
    ...(row.decisions.some((one) => one.reviewer === reviewer) ? [] : [make("p", "dim", "You have not decided.")]),
  ];
}

const saidBy = ({ reviewer, decision, edited, tags, note, time }: Decision) =>
  joined([
    ...[reviewer, decision, edited === null ? "" : "edited"],
    ...[tags.map((tag) => `#${tag}`).join(" "), note, time.slice(0, 16).replace("T", " ")],
  ]);

const joined = (parts: readonly (string | null)[]) => parts.filter(Boolean).join(" · ");

/** Without the empty lines that stand between what is drawn in blocks anyway. */
const trimmed = (one: Piece): Piece =>
  one.kind === "text" ? { ...one, text: one.text.replace(/^\n+|\n+$/g, "\n").replace(/^\n/, "") } : one;

function piece(one: Piece | TextPiece): Element {
  if (one.kind === "reasoning")
    return make("details", "reasoning", make("summary", "", "Reasoning (r)"), ...one.pieces.map(piece));
  if (one.kind === "code") return make("pre", "code", one.text);
  if (one.kind === "text") return make("span", "text", one.text);
  const drawn = element(one.formula);
  if (one.display) drawn.setAttribute("display", "block");
  drawn.setAttribute("title", one.text);
  return drawn;
}

function element([tag, ...content]: Formula): Element {
  const made = document.createElementNS(MATHML, tag);
  made.append(...content.map((part) => (typeof part === "string" ? part : element(part))));
  return made;
}
