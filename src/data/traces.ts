/** @file The dataset of traces: every completion that was drawn, with what rules said of it. Rejected ones stay. */

import { existsSync } from "node:fs";
import { DistillError } from "../core/errors.ts";
import type { FinishReason, Judgement, Message, Served } from "../core/trace.ts";
import { Bool, type Data, Field, Float64, Int32, Struct, type Table, Uint32, Utf8 } from "../formats/apache-arrow.ts";
import { column, dataOf, FLOATS, INTEGERS, listOf, struct } from "./columns.ts";
import { readDataset } from "./dataset-folder.ts";
import { tableOf } from "./tables.ts";

/** What was drawn. */
export type Draw = {
  prompt_id: string;
  /** Which of the prompt's samples this is, from 0. */
  sample: number;
  prompt: string;
  /** The reference, where there is one. */
  answer: string | null;
  messages: Message[];
  /** The text that the teacher continued: the conversation through its chat template. */
  prompt_text: string;
  /** What stands in the think block. */
  reasoning: string | null;
  completion: string;
  token_ids: readonly number[];
  prompt_tokens: number;
  finish_reason: FinishReason;
  /** Why there is no completion, where finish_reason is "error". */
  error: string | null;
  teacher: string;
  teacher_hash: string | null;
  temperature: number;
  top_p: number;
  top_k: number;
  min_p: number;
  max_completion_length: number;
  seed: number;
  /** Of a server's answer where it came from, and what it cost. */
  served?: Served | null;
} & Partial<StoredTop>;

/** The tokens that were generated for a completion: a server may count them and not say which they are. */
export const generatedTokens = ({ token_ids, served }: Pick<Draw, "token_ids" | "served">): number =>
  token_ids.length > 0 ? token_ids.length : (served?.completion_tokens ?? 0);

/** For each token of `token_ids` what was likely in its place at temperature 1, best first, where it was stored. */
export type StoredTop = {
  top_token_ids: readonly (readonly number[])[];
  top_logprobs: readonly (readonly number[])[];
  /** The probability of all other tokens. */
  tail_probability: readonly number[];
};

export type Trace = Draw & Judgement;

/** Traces as an Arrow table with one column for each of their keys. */
export const tracesTable = (traces: readonly Trace[]): Table =>
  tableOf({ ...drawColumns(traces), ...judgedColumns(traces) });

/** What was drawn, as a table. */
export const drawsTable = (draws: readonly Draw[]): Table => tableOf(drawColumns(draws));

function drawColumns(traces: readonly Draw[]): Record<string, Data> {
  return {
    prompt_id: column(new Utf8(), traces, "prompt_id"),
    sample: column(new Int32(), traces, "sample"),
    prompt: column(new Utf8(), traces, "prompt"),
    answer: column(new Utf8(), traces, "answer"),
    messages: column(Conversation, traces, "messages"),
    prompt_text: column(new Utf8(), traces, "prompt_text"),
    reasoning: column(new Utf8(), traces, "reasoning"),
    completion: column(new Utf8(), traces, "completion"),
    token_ids: column(INTEGERS, traces, "token_ids"),
    prompt_tokens: column(new Int32(), traces, "prompt_tokens"),
    finish_reason: column(new Utf8(), traces, "finish_reason"),
    error: column(new Utf8(), traces, "error"),
    teacher: column(new Utf8(), traces, "teacher"),
    teacher_hash: column(new Utf8(), traces, "teacher_hash"),
    temperature: column(new Float64(), traces, "temperature"),
    top_p: column(new Float64(), traces, "top_p"),
    top_k: column(new Int32(), traces, "top_k"),
    min_p: column(new Float64(), traces, "min_p"),
    max_completion_length: column(new Int32(), traces, "max_completion_length"),
    seed: column(new Uint32(), traces, "seed"),
    ...(traces.some(({ served }) => served !== undefined) ? { served: column(SERVED, traces, "served") } : {}),
    ...topColumns(traces),
  };
}

const [text, whole, number] = [new Utf8(), new Int32(), new Float64()];
const SERVED = new Struct(
  Object.entries({
    ...{ endpoint: text, model: text, request_id: text, prompt_tokens: whole, completion_tokens: whole },
    ...{ reasoning_tokens: whole, cached_tokens: whole, cost: number, latency_s: number, attempt: whole },
    reasoning: text,
  } satisfies Record<keyof Served, unknown>).map(([name, type]) => new Field(name, type, true)),
);

/** None where no row has them. */
function topColumns(rows: readonly Partial<StoredTop>[]): Record<string, Data> {
  if (!rows.some(({ top_token_ids }) => top_token_ids)) return {};
  const all = rows.map(({ top_token_ids = [], top_logprobs = [], tail_probability = [] }) => ({
    top_token_ids,
    top_logprobs,
    tail_probability,
  }));
  return {
    top_token_ids: column(listOf(INTEGERS), all, "top_token_ids"),
    top_logprobs: column(listOf(FLOATS), all, "top_logprobs"),
    tail_probability: column(FLOATS, all, "tail_probability"),
  };
}

/** What rules say of a draw: `row` is its number in its ledger, `answer` the reference that it was compared with. */
export type Verdicts = Judgement & { row: number; answer: string | null };

export const verdictsTable = (verdicts: readonly Verdicts[]): Table =>
  tableOf({
    row: column(new Float64(), verdicts, "row"),
    answer: column(new Utf8(), verdicts, "answer"),
    ...judgedColumns(verdicts),
  });

/** What rules said of some rows, as columns. */
export function judgedColumns(judged: readonly Judgement[]): Record<string, Data> {
  const names = Object.keys(judged[0]?.rewards ?? {});
  const scores = (name: string) => judged.map(({ rewards }) => rewards[name] ?? null);
  return {
    rewards: struct(
      Object.fromEntries(names.map((name) => [name, dataOf(scores(name), new Float64())])),
      judged.length,
    ),
    reward: column(new Float64(), judged, "reward"),
    verdict: column(new Utf8(), judged, "verdict"),
    extracted: column(new Utf8(), judged, "extracted"),
    reason: column(new Utf8(), judged, "reason"),
    version: column(new Utf8(), judged, "version"),
    ...(judged.some(({ judge_verdict }) => judge_verdict !== undefined)
      ? Object.fromEntries(JUDGE_COLUMNS.map((name) => [name, column(new Utf8(), judged, name)]))
      : {}),
    accepted: column(new Bool(), judged, "accepted"),
  };
}

export const JUDGE_COLUMNS = ["judge_verdict", "judge_reason", "judge_model"] as const;

const ROWS = 1024; // in a record batch of a dataset that is written as a whole

/** Rows as tables of a size that is written at once. */
export function* inTables<Row>(rows: readonly Row[], tableOf: (rows: readonly Row[]) => Table): Generator<Table> {
  for (let start = 0; start < rows.length; start += ROWS) yield tableOf(rows.slice(start, start + ROWS));
}

/** The traces of a dataset of them; none where the folder is not there. */
export function* readTraces(folder: string): Generator<Trace> {
  if (!existsSync(folder)) return;
  for (const { path, table } of readDataset(folder)) {
    const names = table.schema.fields.map(({ name }) => name);
    if (!["prompt_id", "sample", "completion", "verdict"].every((name) => names.includes(name)))
      throw new DistillError(`${path} has the columns ${names.join(", ")}. Expected a dataset of traces.`);
    yield* rowsIn<Trace>(table);
  }
}

/** The rows of a table as JSON would have them. */
export function* rowsIn<Row>(table: Table): Generator<Row> {
  const columns = table.schema.fields.map(({ name }) => ({ name, vector: table.getChild(name)! }));
  for (let i = 0; i < table.numRows; i++)
    yield Object.fromEntries(columns.map(({ name, vector }) => [name, plain(vector.get(i))])) as Row;
}

/** An accepted trace as a row to train on. */
export type Accepted = {
  prompt: string;
  completion: string;
  messages: Message[];
  prompt_id: string;
  sample: number;
  /** The completion's tokens as the teacher drew them, where what was likely in their place was stored. */
  token_ids?: readonly number[];
} & Partial<StoredTop>;

/** The accepted view: `prompt` is the text that the teacher continued, `messages` the conversation with the completion. */
export function acceptedTable(rows: readonly Accepted[]): Table {
  return tableOf({
    prompt: column(new Utf8(), rows, "prompt"),
    completion: column(new Utf8(), rows, "completion"),
    messages: column(Conversation, rows, "messages"),
    prompt_id: column(new Utf8(), rows, "prompt_id"),
    sample: column(new Int32(), rows, "sample"),
    ...(rows.some(({ token_ids }) => token_ids) ? { token_ids: column(INTEGERS, rows, "token_ids") } : {}),
    ...topColumns(rows),
  });
}

/** list<struct<role, content>>, as every trainer of chat models reads it. */
const Conversation = listOf(new Struct(["role", "content"].map((name) => new Field(name, new Utf8(), true))));

/** An Arrow value as JSON would have it. */
function plain(value: unknown): unknown {
  if (value === null || typeof value !== "object") return typeof value === "bigint" ? Number(value) : value;
  if (ArrayBuffer.isView(value)) return [...(value as Int32Array)];
  const json = (value as { toJSON(): unknown }).toJSON();
  if (Array.isArray(json)) return json.map(plain);
  return Object.fromEntries(Object.entries(json as object).map(([key, inner]) => [key, plain(inner)]));
}

/** The names of their columns. */
export const TRACE_COLUMNS: ReadonlySet<string> = new Set([
  ...tracesTable([]).schema.fields.map(({ name }) => name),
  ...JUDGE_COLUMNS,
]);
