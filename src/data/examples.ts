/** @file The examples of a dataset: its rows as tokens, each checked, and those that do not fit left out. */

import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { create } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { writeFolder } from "../core/files.ts";
import { sha256 } from "../core/hash.ts";
import { startCount } from "../core/progress.ts";
import { damageIn, readSeal, sealFolder } from "../store/seal.ts";
import type { Segment } from "./batch.ts";
import { inMemory, openExamples, type Segments, some, writeExamples } from "./example-store.ts";
import * as generators from "./generators/index.ts";
import { readTrainingRows, type TrainingRow } from "./rows.ts";
import { toSegments } from "./segments.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Where rows come from: a file or folder, the first `limit` of its rows, a program that writes them, or several of these. */
export type DatasetSource =
  | { path: string; limit?: number | undefined }
  | { generate: { type: string }; rows: number; seed: number }
  | { mix: readonly DatasetSource[] };

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
  segments: Segments;
  /** Those that are longer than a row, and left out. */
  dropped: Segments;
};

/** Where examples are kept once they are tokenised, for whoever asks next. */
export type ExampleCache = {
  /** Of the dataset and the tokenizer: what examples hang on. */
  key: string;
  /** The key of what lies there now: what was read is kept under it only where it is still the same. */
  keyNow(): string;
  folder: string;
};

/** How a dataset is named in sentences. */
export const nameOf = (source: DatasetSource): string =>
  "path" in source ? source.path : "mix" in source ? "The mixed dataset" : "The generated dataset";

/** All examples of a dataset; undefined where `signal` stopped it. */
export async function readExamples(
  source: DatasetSource,
  tokenizer: Tokenizer,
  { max_length, overlength }: ExampleOptions,
  signal?: AbortSignal,
  cache?: ExampleCache,
): Promise<Examples | undefined> {
  const name = nameOf(source);
  const all = await (cache ? kept(source, tokenizer, cache, signal) : tokenised(source, tokenizer, signal));
  if (!all) return undefined;
  const { lengths, rows } = all;
  const long = lengths.findIndex((length) => length > max_length);
  if (long >= 0 && overlength === "error")
    throw new DistillError(
      `${name}, row ${rows[long]} has ${lengths[long]} tokens, and max_length is ${max_length}. Raise it, or set trainer.overlength to drop.`,
    );
  const segments = long < 0 ? all : some(all, (i) => lengths[i]! <= max_length);
  if (segments.length === 0)
    throw new DistillError(`No row of ${name} fits into ${max_length} tokens. Raise trainer.max_length.`);
  return { name, rows: rows.at(-1) ?? 0, segments, dropped: some(all, (i) => lengths[i]! > max_length) };
}

async function tokenised(
  source: DatasetSource,
  tokenizer: Tokenizer,
  signal: AbortSignal | undefined,
): Promise<Segments | undefined> {
  const segments: Segment[] = [];
  for await (const segment of segmentsOf(source, tokenizer, signal)) segments.push(segment);
  return signal?.aborted ? undefined : inMemory(segments);
}

/** The examples from the cache, which are put there first where they are not. */
async function kept(
  source: DatasetSource,
  tokenizer: Tokenizer,
  { key, keyNow, folder }: ExampleCache,
  signal: AbortSignal | undefined,
): Promise<Segments | undefined> {
  const place = join(folder, key);
  const damage = damageOfSealed(place);
  if (damage === undefined) return openExamples(place);
  try {
    rmSync(place, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
  } catch {
    return tokenised(source, tokenizer, signal); // a disk that is read only
  }
  await writeFolder(place, async (into) => {
    await writeExamples(into, segmentsOf(source, tokenizer, signal));
    if (signal?.aborted) throw new DistillError("Stopped.");
    if (keyNow() !== key)
      throw new DistillError(
        `${nameOf(source)} or its tokenizer was changed while it was read. Run the same command again.`,
      );
    sealFolder(into, { run: "", key });
  }).catch((error: NodeJS.ErrnoException) => {
    // another process may have put it there meanwhile
    if (!signal?.aborted && damageOfSealed(place) !== undefined) throw error;
  });
  if (signal?.aborted) return undefined;
  forgetOld(folder, key);
  return openExamples(place);
}

function damageOfSealed(place: string): string | undefined {
  const read = existsSync(place) ? readSeal(place) : undefined;
  return !read ? "not there" : (read.damage ?? damageIn(place, read.seal, sha256));
}

/** What was tokenised last is asked for next; of the rest a few are kept. */
const KEPT = 4;

function forgetOld(folder: string, key: string): void {
  const others = readdirSync(folder).filter((name) => /^[0-9a-f]{16}$/.test(name) && name !== key);
  const newest = others.sort((a, b) => statSync(join(folder, b)).mtimeMs - statSync(join(folder, a)).mtimeMs);
  for (const name of newest.slice(KEPT - 1)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** The examples of each row, as they are tokenised. Ends early where `signal` says so. */
async function* segmentsOf(
  source: DatasetSource,
  tokenizer: Tokenizer,
  signal: AbortSignal | undefined,
): AsyncGenerator<Segment> {
  const name = nameOf(source);
  const progress = startCount("tokenize", "row");
  let last = performance.now();
  let row = 0;
  try {
    for (const content of trainingRows(source, tokenizer)) {
      row++;
      if (performance.now() - last > 50) {
        progress.update(row);
        await turn(); // Ctrl-C is heard
        if (signal?.aborted) return;
        last = performance.now();
      }
      for (const segment of toSegments(content, tokenizer, `${name}, row ${row}`)) yield { ...segment, row };
    }
  } finally {
    progress.end();
  }
}

/** Conversations where the tokenizer has a template for them, else prompts with completions. */
export function* trainingRows(source: DatasetSource, tokenizer: Pick<Tokenizer, "template">): Generator<TrainingRow> {
  const { template } = tokenizer;
  if ("mix" in source) {
    for (const one of source.mix) yield* trainingRows(one, tokenizer);
    return;
  }
  if ("path" in source) {
    let left = source.limit ?? Number.POSITIVE_INFINITY;
    for (const row of readTrainingRows(source.path, template !== undefined ? "messages" : "prompt"))
      if (left-- > 0) yield row;
      else return;
    return;
  }
  const problems = create(generators, source.generate, "generator")("train", source.seed);
  let made = 0;
  for (const { prompt, completion } of problems) {
    const turns = [
      { role: "user", content: prompt },
      { role: "assistant", content: completion },
    ];
    yield template !== undefined ? { messages: turns } : { prompt, completion };
    if (++made === source.rows) break;
  }
}
