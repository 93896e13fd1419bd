/** @file The rows of a dataset as those who reviewed it left them. */

import { existsSync } from "node:fs";
import { answerColumn, answerOf, withAnswer } from "./answers.ts";
import {
  completionHash,
  type Decision,
  decisionsPlace,
  readDecisions,
  ruling,
  type Standing,
  standing,
  traceId,
} from "./decisions.ts";
import type { Found } from "./files/found.ts";
import { type DatasetPath, placesOf } from "./files/places.ts";
import { readRows } from "./files/read.ts";
import { isRecord } from "./values.ts";

/** A row, or that somebody dropped it; behind the last one how many decisions are about none of them. */
export type Decided =
  | (Found & { kind: "row"; edited: boolean })
  | { kind: "dropped"; where: string }
  | { kind: "stale"; where: string; decisions: number };

/** All that was decided about the rows of a path, of several paths together. */
export const decisionsAbout = (path: DatasetPath): Decision[] =>
  reviewedAlone(path).flatMap((one) => readDecisions(decisionsPlace(one)));

/** What was reviewed as one: a path as it is given, or else each file that it leads to. */
const reviewedAlone = (path: DatasetPath): string[] =>
  [path].flat().flatMap((one) => (existsSync(decisionsPlace(one)) ? [one] : placesOf(one).map(({ path }) => path)));

/** The rows of all places of a path: what is kept is accepted whatever rules said, what is edited says what it was edited to. */
export async function* decidedRows(path: DatasetPath): AsyncGenerator<Decided> {
  for (const one of reviewedAlone(path)) {
    const all = standing(readDecisions(decisionsPlace(one)));
    let [row, matched] = [0, 0];
    for await (const found of readRows(one)) {
      row++;
      const of = isRecord(found.value) ? decisionAbout(found.value, row, all) : undefined;
      if (of) matched++;
      if (of?.decision === "drop") yield { kind: "dropped", where: found.where };
      else if (!of) yield { ...found, kind: "row", edited: false };
      else yield { ...found, kind: "row", value: decided(found.value as Row, of), edited: of.edited !== null };
    }
    if (all.size > matched) yield { kind: "stale", where: one, decisions: all.size - matched };
  }
}

type Row = Record<string, unknown>;

/** What a row is called in decisions: its prompt's name and its number there, or its own number. */
export const rowId = (row: Row, number: number): Pick<Decision, "prompt_id" | "sample"> => ({
  prompt_id: row.prompt_id === null || row.prompt_id === undefined ? `row-${number}` : String(row.prompt_id),
  sample: Number(row.sample ?? 0),
});

/** What was decided about a row, if anything was; `number` is its own, from 1. */
export function decisionAbout(
  row: Row,
  number: number,
  all: Standing,
): Pick<Decision, "decision" | "edited"> | undefined {
  const of = all.get(traceId(rowId(row, number)));
  const column = of && answerColumn(Object.keys(row));
  if (!of || column === undefined) return undefined;
  const hash = completionHash(answerOf(row[column]));
  const own = of.filter(({ completion_hash }) => completion_hash === hash);
  return own.length > 0 ? ruling(own) : undefined;
}

/** Its reasoning, tokens and probabilities are those of another text once it is edited. */
function decided(row: Row, { decision, edited }: Pick<Decision, "decision" | "edited">): Row {
  const kept = decision === "keep" && row.accepted !== undefined ? { ...row, accepted: true } : row;
  if (edited === null) return kept;
  const changed = withAnswer(kept, edited);
  for (const name of STALE) delete changed[name];
  return { ...changed, ...(row.finish_reason === undefined ? {} : { finish_reason: "stop" }) };
}

const STALE = [
  ...["reasoning", "reasoning_content", "thinking", "token_ids", "logprobs"],
  ...["top_token_ids", "top_logprobs", "tail_probability"],
];
