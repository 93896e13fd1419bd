/** @file The examples of a dataset: its rows as tokens, each checked, and those that do not fit left out. */

import { setImmediate as turn } from "node:timers/promises";
import { create } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { startProgress } from "../core/progress.ts";
import type { Segment } from "./batch.ts";
import * as generators from "./generators/index.ts";
import { readTrainingRows, type TrainingRow } from "./rows.ts";
import { toSegments } from "./segments.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Where rows come from: a file or folder, or a program that writes them. */
export type DatasetSource = { path: string } | { generate: { type: string }; rows: number; seed: number };

export type ExampleOptions = {
  /** Tokens in a row. */
  max_length: number;
  /** What is done with an example that is longer. */
  overlength: "drop" | "error";
};

export type Examples = {
  /** How the dataset is named in sentences. */
  name: string;
  /** Rows of the dataset. */
  rows: number;
  segments: Segment[];
  /** Those that are longer than a row, and left out. */
  dropped: Segment[];
};

/** How a dataset is named in sentences. */
export const nameOf = (source: DatasetSource): string => ("path" in source ? source.path : "The generated dataset");

/** All examples of a dataset; undefined where `signal` stopped it. */
export async function readExamples(
  source: DatasetSource,
  tokenizer: Tokenizer,
  { max_length, overlength }: ExampleOptions,
  signal?: AbortSignal,
): Promise<Examples | undefined> {
  const name = nameOf(source);
  const rows = trainingRows(source, tokenizer);
  const examples: Examples = { name, rows: rows.length, segments: [], dropped: [] };
  const progress = startProgress("tokenize", rows.length, "row");
  const start = performance.now();
  let last = start;
  for (const [i, row] of rows.entries()) {
    if (performance.now() - last > 50) {
      if (last - start > 1000) progress.update(i);
      await turn(); // Ctrl-C is heard
      if (signal?.aborted) return undefined;
      last = performance.now();
    }
    for (const segment of toSegments(row, tokenizer, `${name}, row ${i + 1}`)) {
      const { length } = segment.tokens;
      if (length > max_length && overlength === "error")
        throw new DistillError(
          `${name}, row ${i + 1} has ${length} tokens, and max_length is ${max_length}. Raise it, or set trainer.overlength to drop.`,
        );
      (length > max_length ? examples.dropped : examples.segments).push({ ...segment, row: i + 1 });
    }
  }
  if (last - start > 1000) progress.update(rows.length);
  progress.end();
  if (examples.segments.length === 0)
    throw new DistillError(`No row of ${name} fits into ${max_length} tokens. Raise trainer.max_length.`);
  return examples;
}

/** Conversations where the tokenizer has a template for them, else prompts with completions. */
export function trainingRows(source: DatasetSource, { template }: Tokenizer): TrainingRow[] {
  if ("path" in source) return readTrainingRows(source.path, template !== undefined ? "messages" : "prompt");
  const problems = create(generators, source.generate, "generator")("train", source.seed);
  const rows: TrainingRow[] = [];
  for (const { prompt, completion } of problems) {
    const turns = [
      { role: "user", content: prompt },
      { role: "assistant", content: completion },
    ];
    rows.push(template !== undefined ? { messages: turns } : { prompt, completion });
    if (rows.length === source.rows) break;
  }
  return rows;
}
