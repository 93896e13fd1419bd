/** @file Questions to sample from and to test on: JSON lines, a saved dataset, or problems that a program writes. */

import { z } from "zod";
import { create, oneOf } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { publishedTests } from "../core/published.ts";
import { written } from "../core/sizes.ts";
import type { Prompt } from "../core/trace.ts";
import { DatasetPath, describePath, placesOf } from "./files/places.ts";
import { readRows } from "./files/read.ts";
import { type Form, requireColumns } from "./forms/form.ts";
import * as forms from "./forms/index.ts";
import type { Split } from "./generators/generator.ts";
import * as generators from "./generators/index.ts";
import { ABOUT, SYSTEM } from "./shapes/beside.ts";
import { isEmpty, isRecord, located, parsedText, RowFault, textOf } from "./values.ts";

const column = (what: string) =>
  z.string().min(1).optional().describe(`The column ${what}; of the same name unless given.`);

/** Where questions come from: the first `limit` lines of a file or rows of a folder of save_to_disk, or `rows` problems of a generator. */
export const PromptSource = z.union([
  z.strictObject({
    path: DatasetPath.describe("Files of questions, in any format of a dataset's, or hf:datasets/owner/name:file."),
    limit: z.int().positive().optional().describe("The first so many of them; all unless given."),
    columns: z
      .strictObject({
        prompt: column("of the question"),
        answer: column("of the reference"),
        id: column("that names the question"),
        choices: column("of the choices, of the form multiple_choice"),
      })
      .optional()
      .describe("What the columns prompt, answer, id and, of multiple choice, choices are called there."),
    form: z
      .enum(Object.keys(forms) as [keyof typeof forms])
      .optional()
      .describe("The published form of its rows, where a question or its reference is made of several columns."),
    instruction: z
      .string()
      .refine((words) => words.includes("{prompt}"), 'expected a text with "{prompt}" in the place of the question')
      .optional()
      .describe('How a question is asked: a text with "{prompt}" in its place; the question alone unless given.'),
  }),
  z.strictObject({
    generate: oneOf(generators).describe("The program that writes the problems."),
    rows: written.describe("How many problems it writes."),
    seed: z.int().nonnegative().default(0).describe("Of its random numbers."),
  }),
]);
export type PromptSource = z.output<typeof PromptSource>;

const hasMessages = (value: unknown) => isRecord(value) && Array.isArray(parsedText(value.messages));
const CONVERSATIONS =
  " These are conversations with their answers: a dataset to train on (dataset: { path }), not questions to be answered";

const EXPECTED = '"prompt" (text) and, where there is a reference, "answer" (text), or names that columns leads to';

/** What a question is called, in the order in which it is looked for. */
const QUESTION = ["prompt", "question", "problem", "query", "instruction", "question_content"];
/** Columns that would be part of a question, and are not read. */
const REFUSED = [...SYSTEM, ...ABOUT, "history", "tools", "images", "image"];

/** The questions of a source, each with an id of its own. */
export const readPrompts = async (source: PromptSource, split: Split): Promise<Prompt[]> =>
  "path" in source ? readQuestions(source) : writeQuestions(source, split);

/** How a source is named in sentences. */
export const describeSource = (source: PromptSource): string =>
  "path" in source ? describePath(source.path) : `the generator ${source.generate.type}`;

type Columns = { [name in "prompt" | "answer" | "id" | "choices"]?: string | undefined };

export type QuestionFiles = Extract<PromptSource, { path: unknown }>;

/** The questions in files. */
export async function readQuestions({
  path,
  limit = Number.POSITIVE_INFINITY,
  columns = {},
  form,
  instruction = "{prompt}",
}: QuestionFiles): Promise<Prompt[]> {
  const prompts = new Map<string, Prompt>();
  const places = placesOf(path);
  const isOneFile = places.length === 1 && !places[0]!.folder;
  let row = 0;
  for await (const { where, value, fault } of readRows(path)) {
    if (prompts.size >= limit) break;
    const number = () => (isOneFile && /\d+$/.exec(where)?.[0]) || String(row); // of its line
    row++;
    if (fault !== undefined) throw new DistillError(fault);
    let prompt: Prompt;
    try {
      const read = form === undefined ? promptIn(value, columns, number) : promptOf(value, form, columns, number);
      prompt = { ...read, prompt: instruction.replaceAll("{prompt}", () => read.prompt) };
    } catch (error) {
      if (error instanceof RowFault) throw new DistillError(located(where, error));
      throw error;
    }
    if (prompts.has(prompt.id))
      throw new DistillError(`${where}: the id "${prompt.id}" was there before. Expected each once.`);
    prompts.set(prompt.id, prompt);
  }
  if (prompts.size === 0)
    throw new DistillError(`${describePath(path)} has no prompts. Expected lines with ${EXPECTED}.`);
  return [...prompts.values()];
}

function promptIn(value: unknown, columns: Columns, line: () => string): Prompt {
  if (!isRecord(value)) throw new RowFault(`is ${JSON.stringify(value)?.slice(0, 40)}. Expected ${EXPECTED}`);
  const refused = REFUSED.find((name) => !isEmpty(value[name]) && !Object.values(columns).includes(name));
  if (refused) throw new RowFault(`has a column "${refused}", which is not read of questions. Put it into the prompt`);
  const named = columns.prompt ?? QUESTION.find((name) => value[name] !== undefined && value[name] !== null);
  if (named === undefined || isEmpty(value[named]))
    throw new RowFault(
      `has ${Object.keys(value).join(", ") || "no columns"}. Expected ${EXPECTED}${hasMessages(value) ? `.${CONVERSATIONS}` : ""}`,
    );
  const id = value[columns.id ?? "id"];
  const answer = value[columns.answer ?? "answer"] ?? (columns.answer ? undefined : publishedTests(value));
  return {
    id: isEmpty(id) ? `line-${line()}` : textOf(id, "id"),
    prompt: textOf(value[named], named),
    ...(answer === null || answer === undefined ? {} : { answer: answerOf(answer) }),
  };
}

/** A row of a published form, whose columns may be called otherwise. */
function promptOf(value: unknown, name: keyof typeof forms, columns: Columns, line: () => string): Prompt {
  if (!isRecord(value))
    throw new RowFault(`is ${JSON.stringify(value)?.slice(0, 40)}. Expected a row of the form ${name}`);
  const row = { ...value };
  for (const [column, called] of Object.entries(columns)) if (called !== undefined) row[column] = value[called];
  const form: Form = forms[name];
  requireColumns(row, name, form);
  const { id = isEmpty(row.id) ? `line-${line()}` : textOf(row.id, "id"), ...read } = form.read(row);
  return { id, ...read };
}

/** A reference: a text, or a number as JSON writes it. */
const answerOf = (answer: unknown): string =>
  typeof answer === "number" && Number.isFinite(answer) ? String(answer) : textOf(answer, "answer");

/** Questions that a program writes. */
export function writeQuestions(
  { generate, rows, seed }: { generate: { type: string }; rows: number; seed: number },
  split: Split,
): Prompt[] {
  const prompts = new Map<string, Prompt>();
  for (const { prompt, answer } of create(generators, generate, "generator")(split, seed)) {
    if (!prompts.has(prompt)) prompts.set(prompt, { id: `${split}-${prompts.size + 1}`, prompt, answer });
    if (prompts.size === rows) break;
  }
  return [...prompts.values()];
}
