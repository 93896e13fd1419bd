/** @file Rows of a training dataset from JSONL, an Arrow file or a folder that Hugging Face's save_to_disk wrote. */

import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { extname } from "node:path";
import type { Table } from "apache-arrow";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import type { Message } from "../core/trace.ts";
import { decodeArrow } from "../formats/arrow.ts";
import { readDataset } from "./dataset-folder.ts";

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
const Cut = z.object({ finish_reason: z.literal("length") });

/** The rows of a dataset. Where they have both, `prefer` says which columns are trained on. */
export function readTrainingRows(path: string, prefer: "messages" | "prompt" = "prompt"): TrainingRow[] {
  if (!existsSync(path)) throw new DistillError(`Dataset not found: ${path}.`);
  const rows = statSync(path).isDirectory()
    ? [...readDataset(path)].flatMap(({ path: shard, table }) => fromTable(shard, table, prefer))
    : extname(path) === ".arrow"
      ? fromTable(path, decodeArrow(readFileSync(path), path), prefer)
      : readJsonLines(path, prefer);
  if (rows.length === 0) throw new DistillError(`${path} has no rows.`);
  return rows;
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

function readJsonLines(path: string, prefer: "messages" | "prompt"): TrainingRow[] {
  return [...jsonLines(path)].map(({ line, value }) => parse(value, `${path}, line ${line}`, prefer));
}

function fromTable(path: string, table: Table, prefer: "messages" | "prompt"): TrainingRow[] {
  const names = table.schema.fields.map(({ name }) => name);
  if (!names.includes("messages") && !(names.includes("prompt") && names.includes("completion")))
    throw new DistillError(`${path} has the columns ${names.join(", ") || "(none)"}. Expected ${EXPECTED}.`);
  return table.toArray().map((row, i) => parse(JSON.parse(JSON.stringify(row)), `${path}, row ${i + 1}`, prefer));
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
  throw new DistillError(`${where} has ${found}. Expected ${EXPECTED}.`);
}
