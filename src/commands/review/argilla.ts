/** @file Decisions as records of Argilla, which its SDK reads with Record.from_dict. */

import { createHash } from "node:crypto";
import { z } from "zod";
import type { Decision } from "../../data/decisions.ts";
import type { Row } from "./rows.ts";

/** A trace with what people and rules say of it: the rules' word is a suggestion, people's are responses. */
export function argillaRecord(row: Row, decisions: readonly Decision[]) {
  const answers = (question: string, of: (decision: Decision) => unknown) => {
    const given = decisions.flatMap((one) => {
      const value = of(one);
      return value === null ? [] : [{ value, user_id: userOf(one.reviewer) }];
    });
    return given.length > 0 ? { [question]: given } : {};
  };
  const suggested =
    row.accepted === undefined
      ? {}
      : { decision: { value: row.accepted ? "keep" : "drop", score: null, agent: "rules" } };
  return {
    id: `${row.prompt_id}#${row.sample}`,
    status: decisions.length > 0 ? "completed" : "pending",
    fields: { prompt: row.prompt ?? "", completion: row.completion, answer: row.answer ?? "" },
    metadata: {
      ...{ prompt_id: row.prompt_id, sample: row.sample },
      ...(row.verdict === undefined ? {} : { verdict: row.verdict }),
      ...(row.reward === undefined || row.reward === null ? {} : { reward: row.reward }),
    },
    suggestions: suggested,
    responses: {
      ...answers("decision", ({ decision }) => decision),
      ...answers("edited", ({ edited }) => edited),
      ...answers("tags", ({ tags }) => (tags.length > 0 ? tags : null)),
      ...answers("note", ({ note }) => note),
    },
    vectors: {},
  };
}

/** Whether a file holds such records. */
export function isArgilla(content: Uint8Array): boolean {
  try {
    const found: unknown = JSON.parse(Buffer.from(content).toString("utf8"));
    return Array.isArray(found) && found.every((record) => Record.safeParse(record).success);
  } catch {
    return false;
  }
}

const Record = z.strictObject({
  id: z.string(),
  status: z.enum(["completed", "pending"]),
  fields: z.strictObject({ prompt: z.string(), completion: z.string(), answer: z.string() }),
  metadata: z.object({ prompt_id: z.string(), sample: z.number() }),
  suggestions: z.object({}),
  responses: z.object({}),
  vectors: z.strictObject({}),
});

/** Argilla names people by UUIDs: the same name has the same one. */
function userOf(reviewer: string): string {
  const hex = createHash("sha256").update(`distill reviewer ${reviewer}`).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
