/** @file Questions to sample from and to test on: JSON lines, a saved dataset, or problems that a program writes. */

import { existsSync, statSync } from "node:fs";
import { z } from "zod";
import { create, oneOf } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import type { Prompt } from "../core/trace.ts";
import { readDataset } from "./dataset-folder.ts";
import type { Split } from "./generators/generator.ts";
import * as generators from "./generators/index.ts";
import { jsonLines } from "./rows.ts";

/** Where questions come from: the first `limit` lines of a file or rows of a folder of save_to_disk, or `rows` problems of a generator. */
export const PromptSource = z.union([
  z.strictObject({
    path: z.string().min(1).describe("A file of JSON lines, or a folder of save_to_disk, with a prompt in each row."),
    limit: z.int().positive().optional().describe("The first so many of them; all unless given."),
  }),
  z.strictObject({
    generate: oneOf(generators).describe("The program that writes the problems."),
    rows: z.int().positive().describe("How many problems it writes."),
    seed: z.int().nonnegative().default(0).describe("Of its random numbers."),
  }),
]);
export type PromptSource = z.output<typeof PromptSource>;

/** A text as files keep it: half of a surrogate pair is no character, and would be another text when it is read again. */
const text = z.string().transform((given) => given.toWellFormed());
const textOrNumber = z.union([text, z.number()]).transform(String);

const Line = z.object({
  id: textOrNumber.optional(),
  prompt: text.pipe(z.string().min(1)),
  answer: textOrNumber.nullish(),
});

const hasMessages = (value: unknown) => z.object({ messages: z.array(z.unknown()) }).safeParse(value).success;
const CONVERSATIONS =
  " These are conversations with their answers: a dataset to train on (dataset: { path }), not questions to be answered.";

const EXPECTED = '"prompt" (text) and, where there is a reference, "answer" (text)';

/** The questions of a source, each with an id of its own. */
export function readPrompts(source: PromptSource, split: Split): Prompt[] {
  return "path" in source ? fromFile(source.path, source.limit) : fromGenerator(source, split);
}

/** How a source is named in sentences. */
export const describeSource = (source: PromptSource): string =>
  "path" in source ? source.path : `the generator ${source.generate.type}`;

function fromFile(path: string, limit = Number.POSITIVE_INFINITY): Prompt[] {
  const prompts = new Map<string, Prompt>();
  for (const { line, value } of linesOf(path)) {
    if (prompts.size >= limit) break;
    const parsed = Line.safeParse(value);
    if (!parsed.success) {
      const { path: key, message } = parsed.error.issues[0]!;
      throw new DistillError(
        `${path}, line ${line}: ${key.join(".") || "the line"}: ${message}. Expected ${EXPECTED}.${hasMessages(value) ? CONVERSATIONS : ""}`,
      );
    }
    const { id = `line-${line}`, prompt, answer } = parsed.data;
    if (prompts.has(id))
      throw new DistillError(`${path}, line ${line}: the id "${id}" was there before. Expected each once.`);
    prompts.set(id, { id, prompt, ...(answer == null ? {} : { answer }) });
  }
  if (prompts.size === 0) throw new DistillError(`${path} has no prompts. Expected lines with ${EXPECTED}.`);
  return [...prompts.values()];
}

function* linesOf(path: string): Generator<{ line: number; value: unknown }> {
  if (!existsSync(path) || !statSync(path).isDirectory()) return yield* jsonLines(path);
  let line = 0;
  for (const { table } of readDataset(path)) for (const row of table) yield { line: ++line, value: row?.toJSON() };
}

function fromGenerator(
  { generate, rows, seed }: { generate: { type: string }; rows: number; seed: number },
  split: Split,
) {
  const prompts = new Map<string, Prompt>();
  for (const { prompt, answer } of create(generators, generate, "generator")(split, seed)) {
    if (!prompts.has(prompt)) prompts.set(prompt, { id: `${split}-${prompts.size + 1}`, prompt, answer });
    if (prompts.size === rows) break;
  }
  return [...prompts.values()];
}
