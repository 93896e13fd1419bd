/** @file Rows of a training dataset from files of any kind and under any names. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { decidedRows } from "./decided-rows.ts";
import { type DatasetPath, describePath } from "./files/places.ts";
import { ABOUT, type Columns, SAYING } from "./shapes/beside.ts";
import * as shapes from "./shapes/index.ts";
import type { Reading, ReadRow, Shape, TrainingRow } from "./shapes/shape.ts";
import { TRACE_COLUMNS } from "./traces.ts";
import { isEmpty, isRecord, located, RowFault, rowsUnder, under } from "./values.ts";

export type { TrainingRow };

/** How the rows of a dataset are to be read. */
export const ReadOptions = z.object({
  columns: z
    .record(z.string().min(1), z.string().min(1))
    .optional()
    .describe("What its columns are called, where that is not as usual: { prompt: question, completion: reply }."),
  roles: z
    .record(z.string().min(1), z.string().min(1))
    .optional()
    .describe("What the names of those who speak mean: { bot: assistant }."),
});
export type ReadOptions = z.output<typeof ReadOptions>;

/**
 * A row, or why it cannot be used: a sentence that names it; or that somebody who reviewed it dropped it; or, behind all rows,
 * how many decisions of a review are about none of them.
 */
export type ReadingRow = { where: string } & (
  | { row: TrainingRow; unread: readonly string[]; edited?: boolean }
  | { fault: string }
  | { dropped: true }
  | { stale: number }
);

/**
 * The rows of a dataset as those who reviewed it left them, one in memory at a time. Where they have both, `prefer` says which
 * columns are trained on.
 */
export async function* readTrainingRows(
  path: DatasetPath,
  prefer: "messages" | "prompt" = "prompt",
  options: ReadOptions = {},
): AsyncGenerator<ReadingRow> {
  const { read, unseen } = reader(prefer, options);
  let rows = 0;
  for await (const found of decidedRows(path)) {
    const { where } = found;
    if (found.kind === "stale") {
      yield { where, stale: found.decisions };
      continue;
    }
    rows++;
    if (found.kind === "dropped") yield { where, dropped: true };
    else if (found.fault !== undefined) yield { where, fault: found.fault };
    else
      try {
        const { row, unread = [] } = read(found.value);
        yield { where, row, unread, ...(found.edited ? { edited: true } : {}) };
      } catch (error) {
        if (!(error instanceof RowFault)) throw error;
        yield { where, fault: located(where, error) };
      }
  }
  const missing = unseen();
  if (rows > 0 && missing !== undefined)
    throw new DistillError(
      `No row of ${describePath(path)} has a column "${missing}", which dataset.columns names. Leave it out, or give its name.`,
    );
}

const EXPECTED =
  'columns "prompt" and "completion" (text), or "messages" (a list of role and content), or names that dataset.columns leads to them';
const QUESTIONS =
  " These are questions without completions: give them to sampling.prompts with a teacher, or to trainer.prompts of a trainer that lets the student answer";

const PREFERENCES =
  "answers that are better or worse are for trainers that compare, which there are none of here. Keep the better ones alone, as completions or in messages";
const WEIGHTS = "rows weigh the same. Leave it out; a dataset's weight in a mix says how often its rows come";
const TEXT_ALONE = "only text is trained on. Leave such rows out";

/** Columns that would change what is taught, and that nothing here reads; a 1 among these weights is what rows have anyway. */
const REFUSED: Record<string, string> = {
  ...Object.fromEntries(
    [
      ...["chosen", "rejected", "chosen_response", "rejected_response", "chosen_messages", "rejected_messages"],
      ...["preferred_output", "non_preferred_output", "kto_tag"],
    ].map((name) => [name, PREFERENCES]),
  ),
  chat_template_kwargs: "all rows are rendered alike. Give chat_template_kwargs in the recipe",
  functions: "tools are read from a column tools. Call it so, as a list of { type: function, function: { … } }",
  ...Object.fromEntries(["image", "images", "video", "videos", "audio", "audios"].map((name) => [name, TEXT_ALONE])),
  weight: WEIGHTS,
  sample_weight: WEIGHTS,
  prefix: "what an answer begins with belongs to the prompt. Put it there",
};

/** Columns that a row may lack. */
const OPTIONAL = new Set(
  Object.values<Shape>(shapes)
    .flatMap(({ reads }) => reads)
    .filter((name) => Object.values<Shape>(shapes).every(({ needs }) => !needs.includes(name))),
);

const KINDS = ["trace", "conversation", "pair", "tokens", "text"];
const TURN_KEYS = ["role", "content"];

/** How a value becomes a row; throws a RowFault where it does not. */
function reader(
  prefer: "messages" | "prompt",
  { columns = {}, roles = {} }: ReadOptions,
): { read(value: unknown): ReadRow; unseen(): string | undefined } {
  const all = Object.values<Shape>(shapes);
  const kinds = prefer === "messages" ? KINDS : ["trace", "pair", ...KINDS];
  const ordered = [...all].sort(
    (a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || (a.rank ?? 0) - (b.rank ?? 0),
  );
  const known = new Set(all.flatMap(({ needs, reads }) => [...needs, ...reads]));
  for (const name of Object.keys(columns))
    if (!known.has(name) && !TURN_KEYS.includes(name))
      throw new DistillError(
        `dataset.columns names "${name}", which no row is read for. Expected one of: ${[...known, ...TURN_KEYS].join(", ")}.`,
      );
  const reading: Reading = { roles, prefer, turn: { role: columns.role, content: columns.content } };
  const renamed = Object.entries(columns).filter(([name]) => !TURN_KEYS.includes(name));
  const seen = new Set<string>();
  const unseen = () => renamed.find(([ours, name]) => OPTIONAL.has(ours) && !seen.has(name))?.[1];
  const given = new Set(renamed.map(([ours]) => ours));
  /** The shape that dataset.columns says most of, else the first of those that the row has. */
  const shapeOf = (row: Columns): Shape | undefined => {
    const has = ordered.filter(({ needs }) => needs.every((name) => row[name] !== undefined && row[name] !== null));
    const said = ({ needs }: Shape) => needs.filter((name) => given.has(name)).length;
    const most = Math.max(0, ...has.map(said));
    const [shape, ...others] = has.filter((one) => said(one) === most);
    if (shape?.kind === "pair") requireOneMeaning(row, shape, others);
    return shape;
  };
  const read = (value: unknown): ReadRow => {
    if (!isRecord(value)) throw new RowFault(`has ${JSON.stringify(value)?.slice(0, 40)}. Expected ${EXPECTED}`);
    const row = named(value, renamed, seen);
    if (row.finish_reason === "length")
      throw new RowFault(
        'was cut at a limit of tokens (its finish_reason is "length"), and would teach to stop in the middle. Leave such rows out',
      );
    if (row.accepted === false)
      throw new RowFault("was not accepted (its column accepted is false). Leave such rows out");
    for (const [name, why] of Object.entries(REFUSED))
      if (!isEmpty(row[name]) && row[name] !== 1) throw new RowFault(`has a column "${name}": ${why}`);
    if (typeof row.label === "boolean") throw new RowFault(`has a column "label" that is ${row.label}: ${PREFERENCES}`);
    const shape = shapeOf(row);
    if (!shape) {
      const almost = ordered.find(({ needs }) => needs.every((name) => name in row));
      const absent = almost?.needs.find((name) => row[name] === null || row[name] === undefined);
      if (absent) throw new RowFault(`has null as its ${absent}. Expected a text`);
      const key = rowsUnder(value);
      const rows = key === undefined ? [] : (value[key] as Columns[]);
      if (ordered.some(({ needs }) => needs.every((name) => name in (rows[0] ?? {}))))
        throw new RowFault(`has ${Object.keys(value).join(", ")}, and ${under(key!)}`);
      const question =
        !isEmpty(row.prompt) && Object.keys(value).every((name) => ["id", "prompt", "answer"].includes(name));
      throw new RowFault(
        `has ${Object.keys(value).join(", ") || "no columns"}. Expected ${EXPECTED}${question ? `.${QUESTIONS}` : ""}`,
      );
    }
    const other = notRead(row, shape);
    if (other !== undefined) throw new RowFault(other);
    const { row: made, unread = [] } = shape.read(row, reading);
    const others = Object.keys(row).filter((name) => !shape.needs.includes(name) && !shape.reads.includes(name));
    const own = others.filter((name) => !TRACE_COLUMNS.has(name) && !isEmpty(row[name]));
    const called = own.map((name) => name || "(a column without a name)");
    return { row: made, unread: [...called, ...unread.map((name) => `${shape.needs[0]}[].${name}`)] };
  };
  return { read, unseen };
}

/** Throw where a row is a pair under two names of equal rank, and they say different things. */
function requireOneMeaning(row: Columns, shape: Shape, others: readonly Shape[]): void {
  for (const other of others)
    if (other.kind === "pair" && other.rank === shape.rank)
      for (const [i, name] of other.needs.entries()) {
        const mine = shape.needs[i]!;
        if (String(row[mine]) !== String(row[name]))
          throw new RowFault(
            `has a column "${mine}" and a column "${name}", either of which may be ${i === 0 ? "what is asked" : "the answer"}. Say which is meant, as dataset.columns: { prompt: ${shape.needs[0]}, completion: ${other.needs[1]} }; an instruction and what it is about are { instruction: …, input: …, output: … }`,
          );
      }
}

/** Why a row of this shape would lose what a column says of the question or the answer, if it would. */
function notRead(row: Columns, { kind, needs, reads }: Shape): string | undefined {
  const saying = kind === "pair" ? [...SAYING, ...ABOUT] : SAYING;
  const lost = saying.find((name) => !isEmpty(row[name]) && !needs.includes(name) && !reads.includes(name));
  if (lost === undefined) return undefined;
  const where = kind === "conversation" ? "the turn that it is of" : "the text that it belongs to";
  return `has a column "${lost}" beside ${needs.join(" and ")}, where it is not read. Put what it says into ${where}, or leave the column out`;
}

/** A row under the names that it is read for. */
function named(value: Columns, columns: readonly (readonly [string, string])[], seen: Set<string>): Columns {
  if (columns.length === 0) return value;
  const theirs = new Set(columns.map(([, name]) => name));
  const rest = Object.entries(value).filter(([name]) => !theirs.has(name) && !columns.some(([ours]) => ours === name));
  const read = columns.map(([ours, name]) => {
    if (name in value) seen.add(name);
    else if (OPTIONAL.has(ours)) return [ours, undefined];
    if (!(name in value))
      throw new RowFault(
        `has no column "${name}", which dataset.columns.${ours} names. It has ${Object.keys(value).join(", ")}`,
      );
    return [ours, value[name]];
  });
  return Object.fromEntries([...rest, ...read]);
}
