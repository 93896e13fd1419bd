/** @file Rows of a training dataset from files of any kind and under any names. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { decidedRows } from "./decided-rows.ts";
import { type DatasetPath, describePath } from "./files/places.ts";
import * as shapes from "./shapes/index.ts";
import type { Columns, Reading, ReadRow, Shape, TrainingRow } from "./shapes/shape.ts";
import { TRACE_COLUMNS } from "./traces.ts";
import { isEmpty, isRecord, located, RowFault } from "./values.ts";

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

const PREFERENCES = "answers that are better or worse are for trainers that compare, which there are none of here";

/** Columns that would change what is taught, and that nothing here reads; a 1 among these weights is what rows have anyway. */
const REFUSED: Record<string, string> = {
  chosen: PREFERENCES,
  rejected: PREFERENCES,
  chat_template_kwargs: "all rows are rendered alike: give chat_template_kwargs in the recipe",
  functions: "tools are read from a column tools",
  images: "only text is trained on",
  image: "only text is trained on",
  videos: "only text is trained on",
  video: "only text is trained on",
  audios: "only text is trained on",
  audio: "only text is trained on",
  weight: "rows weigh the same; a dataset's weight in a mix says how often its rows come",
  sample_weight: "rows weigh the same; a dataset's weight in a mix says how often its rows come",
  prefix: "what an answer begins with belongs to the prompt",
};

/** Columns that a row may lack. */
const OPTIONAL = new Set(
  Object.values<Shape>(shapes)
    .flatMap(({ reads }) => reads)
    .filter((name) => Object.values<Shape>(shapes).every(({ needs }) => !needs.includes(name))),
);

const KINDS = ["conversation", "pair", "tokens", "text"];
const TURN_KEYS = ["role", "content"];

/** How a value becomes a row; throws a RowFault where it does not. */
function reader(
  prefer: "messages" | "prompt",
  { columns = {}, roles = {} }: ReadOptions,
): { read(value: unknown): ReadRow; unseen(): string | undefined } {
  const all = Object.values<Shape>(shapes);
  const kinds = prefer === "messages" ? KINDS : ["pair", ...KINDS];
  const ordered = [...all].sort(
    (a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || (a.rank ?? 0) - (b.rank ?? 0),
  );
  const known = new Set(all.flatMap(({ needs, reads }) => [...needs, ...reads]));
  for (const name of Object.keys(columns))
    if (!known.has(name) && !TURN_KEYS.includes(name))
      throw new DistillError(
        `dataset.columns names "${name}", which no row is read for. Expected one of: ${[...known, ...TURN_KEYS].join(", ")}.`,
      );
  const reading: Reading = { roles, turn: { role: columns.role, content: columns.content } };
  const renamed = Object.entries(columns).filter(([name]) => !TURN_KEYS.includes(name));
  const seen = new Set<string>();
  const unseen = () => renamed.find(([ours, name]) => OPTIONAL.has(ours) && !seen.has(name))?.[1];
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
    const shape = ordered.find(({ needs }) => needs.every((name) => row[name] !== undefined && row[name] !== null));
    if (!shape) {
      const almost = ordered.find(({ needs }) => needs.every((name) => name in row));
      const absent = almost?.needs.find((name) => row[name] === null || row[name] === undefined);
      if (absent) throw new RowFault(`has null as its ${absent}. Expected a text`);
      const question =
        !isEmpty(row.prompt) && Object.keys(value).every((name) => ["id", "prompt", "answer"].includes(name));
      throw new RowFault(
        `has ${Object.keys(value).join(", ") || "no columns"}. Expected ${EXPECTED}${question ? `.${QUESTIONS}` : ""}`,
      );
    }
    const { row: made, unread = [] } = shape.read(row, reading);
    const others = Object.keys(row).filter((name) => !shape.needs.includes(name) && !shape.reads.includes(name));
    const own = others.filter((name) => !TRACE_COLUMNS.has(name) && !isEmpty(row[name]));
    const called = own.map((name) => name || "(a column without a name)");
    return { row: made, unread: [...called, ...unread.map((name) => `${shape.needs[0]}[].${name}`)] };
  };
  return { read, unseen };
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
