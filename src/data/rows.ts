/** @file Rows of a training dataset from JSONL, an Arrow file or a folder that Hugging Face's save_to_disk wrote. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { tableFromIPC } from "apache-arrow";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { readText } from "../core/files.ts";
import type { Message } from "../core/trace.ts";

/** What is trained on: the completion after the prompt, or every turn of the assistant. */
export type TrainingRow = { prompt: string; completion: string } | { messages: Message[] };

const EXPECTED = 'columns "prompt" and "completion" (text), or "messages" (a list of role and content)';

const Row = z.union([
  z.object({ prompt: z.string(), completion: z.string() }),
  z.object({ messages: z.array(z.object({ role: z.string(), content: z.string() })).min(1) }),
]);

export function readTrainingRows(path: string): TrainingRow[] {
  if (!existsSync(path)) throw new DistillError(`Dataset not found: ${path}.`);
  const rows = statSync(path).isDirectory()
    ? readFolder(path)
    : extname(path) === ".arrow"
      ? readArrow(path)
      : readJsonLines(path);
  if (rows.length === 0) throw new DistillError(`${path} has no rows.`);
  return rows;
}

/** One JSON object a line; empty lines are passed over. */
export function* jsonLines(path: string): Generator<{ line: number; value: unknown }> {
  const text = readText(path, "Dataset");
  let [start, line] = [0, 0];
  while (start < text.length) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const content = text.slice(start, end).trim();
    line++;
    start = end + 1;
    if (!content) continue;
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

function readJsonLines(path: string): TrainingRow[] {
  return [...jsonLines(path)].map(({ line, value }) => parse(value, `${path}, line ${line}`));
}

function readFolder(folder: string): TrainingRow[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith(".arrow"))
    .sort();
  if (files.length === 0)
    throw new DistillError(`${folder} holds no .arrow files. Expected a folder that datasets.save_to_disk wrote.`);
  return files.flatMap((file) => readArrow(join(folder, file)));
}

function readArrow(path: string): TrainingRow[] {
  let table: ReturnType<typeof tableFromIPC>;
  try {
    table = tableFromIPC(readFileSync(path));
  } catch (error) {
    throw new DistillError(`${path} is not an Arrow file that can be read: ${(error as Error).message}.`);
  }
  const names = table.schema.fields.map(({ name }) => name);
  if (!names.includes("messages") && !(names.includes("prompt") && names.includes("completion")))
    throw new DistillError(`${path} has the columns ${names.join(", ") || "(none)"}. Expected ${EXPECTED}.`);
  return table.toArray().map((row, i) => parse(JSON.parse(JSON.stringify(row)), `${path}, row ${i + 1}`));
}

function parse(value: unknown, where: string): TrainingRow {
  const parsed = Row.safeParse(value);
  if (parsed.success) return parsed.data;
  const found =
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.keys(value).join(", ") || "no columns"
      : JSON.stringify(value);
  throw new DistillError(`${where} has ${found}. Expected ${EXPECTED}.`);
}
