/** @file Rows of a training dataset from JSONL, an Arrow file or a folder that Hugging Face's save_to_disk wrote. */

import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { extname } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import type { Message } from "../core/trace.ts";
import type { Table } from "../formats/apache-arrow.ts";
import { arrowTables } from "../formats/arrow.ts";
import { mayBeCut, readDataset } from "./dataset-folder.ts";

/** What is trained on: the completion after the prompt, or every turn of the assistant. */
export type TrainingRow = { prompt: string; completion: string } | { messages: Message[] };

const EXPECTED = 'columns "prompt" and "completion" (text), or "messages" (a list of role and content)';

const Turn = z
  .object({ role: z.string(), content: z.string(), reasoning_content: z.string().nullish() })
  .transform(({ role, content, reasoning_content }) => ({
    role,
    content: reasoning_content ? `<think>\n${reasoning_content.trim()}\n</think>\n\n${content}` : content,
  }));
const Pair = z.object({ prompt: z.string(), completion: z.string() });
const Conversation = z.object({ messages: z.array(Turn).min(1) });
const Question = z.object({ prompt: z.string(), completion: z.never().optional() });
const QUESTIONS =
  " These are questions without completions: give them to sampling.prompts with a teacher, or to trainer.prompts of a trainer that lets the student answer.";
const Cut = z.object({ finish_reason: z.literal("length") });

/** The rows of a dataset, one in memory at a time. Where they have both, `prefer` says which columns are trained on. */
export function* readTrainingRows(path: string, prefer: "messages" | "prompt" = "prompt"): Generator<TrainingRow> {
  if (!existsSync(path)) throw new DistillError(`Dataset not found: ${path}.`);
  let rows = 0;
  for (const { where, value } of valuesIn(path)) {
    rows++;
    yield parse(value, where, prefer);
  }
  if (rows === 0) throw new DistillError(`${path} has no rows.`);
}

function* valuesIn(path: string): Generator<{ where: string; value: unknown }> {
  if (statSync(path).isDirectory()) {
    let [shard, row] = ["", 0];
    for (const { path: file, table } of readDataset(path)) {
      if (file !== shard) [shard, row] = [file, 0];
      for (const value of valuesOf(file, table)) yield { where: `${file}, row ${++row}`, value };
    }
  } else if (extname(path) === ".arrow") {
    let row = 0;
    for (const table of arrowTables(path, mayBeCut))
      for (const value of valuesOf(path, table)) yield { where: `${path}, row ${++row}`, value };
  } else for (const { line, value } of jsonLines(path)) yield { where: `${path}, line ${line}`, value };
}

/** One JSON object a line; empty lines are passed over. One line is in memory at a time. */
export function* jsonLines(path: string): Generator<{ line: number; value: unknown }> {
  let line = 0;
  for (const content of textLines(path)) {
    line++;
    if (!content.trim()) continue;
    let value: unknown;
    try {
      value = JSON.parse(content);
    } catch (error) {
      throw new DistillError(
        `${path}, line ${line}: not JSON (${(error as Error).message}). Expected one JSON object a line.`,
      );
    }
    yield { line, value };
  }
}

const PIECE = 1 << 20;
const MAX_LINE = 256 << 20; // characters

function* textLines(path: string): Generator<string> {
  if (!existsSync(path)) throw new DistillError(`Dataset not found: ${path}.`);
  const file = openFile(path);
  try {
    const decoder = new TextDecoder();
    const bytes = Buffer.alloc(PIECE);
    let rest = "";
    for (let read = readSync(file, bytes); read > 0; read = readSync(file, bytes)) {
      const lines = decoder.decode(bytes.subarray(0, read), { stream: true }).split("\n");
      lines[0] = rest + lines[0]!;
      rest = lines.pop()!;
      if (rest.length > MAX_LINE) throw new DistillError(`${path} has a line of more than ${MAX_LINE} characters.`);
      yield* lines;
    }
    rest += decoder.decode();
    if (rest) yield rest;
  } finally {
    closeSync(file);
  }
}

function openFile(path: string): number {
  try {
    if (statSync(path).isFile()) return openSync(path, "r");
  } catch (error) {
    throw new DistillError(`Cannot read Dataset ${path}: ${(error as Error).message}.`);
  }
  throw new DistillError(`Cannot read Dataset ${path}: it is not a file.`);
}

function* valuesOf(path: string, table: Table): Generator<unknown> {
  const names = table.schema.fields.map(({ name }) => name);
  if (!names.includes("messages") && !(names.includes("prompt") && names.includes("completion")))
    throw new DistillError(`${path} has the columns ${names.join(", ") || "(none)"}. Expected ${EXPECTED}.`);
  for (const row of table) yield JSON.parse(JSON.stringify(row));
}

function parse(value: unknown, where: string, prefer: "messages" | "prompt"): TrainingRow {
  const [first, second] = prefer === "messages" ? [Conversation, Pair] : [Pair, Conversation];
  if (Cut.safeParse(value).success)
    throw new DistillError(
      `${where} was cut at a limit of tokens (its finish_reason is "length"), and would teach to stop in the middle. Leave such rows out.`,
    );
  const parsed = z.union([first, second]).safeParse(value);
  if (parsed.success) return parsed.data;
  const found =
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.keys(value).join(", ") || "no columns"
      : JSON.stringify(value);
  throw new DistillError(
    `${where} has ${found}. Expected ${EXPECTED}.${Question.safeParse(value).success ? QUESTIONS : ""}`,
  );
}
