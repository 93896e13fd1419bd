/** @file The examples of a dataset: its rows as tokens, each checked, and those that do not fit left out. */

import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { DistillError } from "../core/errors.ts";
import { makeFolder, writeFolder } from "../core/files.ts";
import { sha256 } from "../core/hash.ts";
import { startCount } from "../core/progress.ts";
import { damageIn, readSeal, sealFolder } from "../store/seal.ts";
import type { Segment } from "./batch.ts";
import { inMemory, openExamples, type Segments, some, writeExamples } from "./example-store.ts";
import {
  type Collector,
  collector,
  FINDINGS,
  type Findings,
  readFindings,
  requireUsable,
  writeFindings,
} from "./findings.ts";
import { type TrainOn, toSegments } from "./segments.ts";
import { type DatasetSource, nameOf, trainingRows } from "./sources.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type ExampleOptions = {
  /** Tokens in a row. */
  max_length: number;
  /** What is done with an example that is longer. */
  overlength: "drop" | "error";
  /** What is done with a row that cannot be used: an error unless given. */
  on_bad_row?: "error" | "skip";
  /** What of a row is learned: what the assistant says unless given. */
  train_on?: TrainOn;
};

export type Examples = {
  /** How the dataset is named in sentences. */
  name: string;
  /** Rows of the dataset. */
  rows: number;
  segments: Segments;
  /** Those that are longer than a row, and left out. */
  dropped: Segments;
  /** What else is to be said of its rows. */
  findings: Findings;
};

/** Where examples are kept once they are tokenised, for whoever asks next. */
export type ExampleCache = {
  /** Of the dataset and the tokenizer: what examples hang on. */
  key: string;
  /** The key of what lies there now: what was read is kept under it only where it is still the same. */
  keyNow(): string;
  folder: string;
};

type Tokenised = { segments: Segments; findings: Findings };

/** All examples of a dataset; undefined where `signal` stopped it. */
export async function readExamples(
  source: DatasetSource,
  tokenizer: Tokenizer,
  options: ExampleOptions,
  signal?: AbortSignal,
  cache?: ExampleCache,
): Promise<Examples | undefined> {
  const { max_length, overlength } = options;
  const name = nameOf(source);
  const made = await (cache
    ? kept(source, tokenizer, options, cache, signal)
    : tokenised(source, tokenizer, options, signal));
  if (!made) return undefined;
  const { segments: all, findings } = made;
  const { lengths, rows } = all;
  const long = lengths.findIndex((length) => length > max_length);
  if (long >= 0 && overlength === "error")
    throw new DistillError(
      `${name}, row ${rows[long]} has ${lengths[long]} tokens, and max_length is ${max_length}. Raise it, or set trainer.overlength to drop.`,
    );
  const segments = long < 0 ? all : some(all, (i) => lengths[i]! <= max_length);
  if (segments.length === 0)
    throw new DistillError(`No row of ${name} fits into ${max_length} tokens. Raise trainer.max_length.`);
  return { name, rows: findings.rows, segments, dropped: some(all, (i) => lengths[i]! > max_length), findings };
}

async function tokenised(
  source: DatasetSource,
  tokenizer: Tokenizer,
  options: ExampleOptions,
  signal: AbortSignal | undefined,
): Promise<Tokenised | undefined> {
  const segments: Segment[] = [];
  const findings = collector();
  for await (const segment of segmentsOf(source, tokenizer, options, findings, signal)) segments.push(segment);
  if (signal?.aborted) return undefined;
  requireUsable(nameOf(source), findings.found, options);
  return { segments: inMemory(segments), findings: findings.found };
}

/** The examples from the cache, which are put there first where they are not. */
async function kept(
  source: DatasetSource,
  tokenizer: Tokenizer,
  options: ExampleOptions,
  { key, keyNow, folder }: ExampleCache,
  signal: AbortSignal | undefined,
): Promise<Tokenised | undefined> {
  const place = join(folder, key);
  const usable = (found: Tokenised) => {
    requireUsable(nameOf(source), found.findings, options);
    return found;
  };
  const there = opened(place);
  if (there) return usable(there);
  try {
    rmSync(place, { recursive: true, force: true });
    makeFolder(folder);
  } catch {
    return tokenised(source, tokenizer, options, signal); // a disk that is read only
  }
  await writeFolder(place, async (into) => {
    const findings = collector();
    await writeExamples(into, segmentsOf(source, tokenizer, options, findings, signal));
    if (signal?.aborted) throw new DistillError("Stopped.");
    requireUsable(nameOf(source), findings.found, options);
    writeFindings(into, findings.found);
    if (keyNow() !== key)
      throw new DistillError(
        `${nameOf(source)} or its tokenizer was changed while it was read. Run the same command again.`,
      );
    sealFolder(into, { run: "", key });
  }).catch((error: NodeJS.ErrnoException) => {
    // another process may have put it there meanwhile
    if (!signal?.aborted && !isWhole(place)) throw error;
  });
  if (signal?.aborted) return undefined;
  forgetOld(folder, key);
  return usable(opened(place)!);
}

/** What lies in the cache; nothing where it is damaged, or where an earlier version kept less. */
function opened(place: string): Tokenised | undefined {
  if (!isWhole(place)) return undefined;
  return { segments: openExamples(place), findings: readFindings(place) };
}

function isWhole(place: string): boolean {
  const read = existsSync(place) ? readSeal(place) : undefined;
  if (!read || read.damage !== undefined) return false;
  return FINDINGS in read.seal.files && damageIn(place, read.seal, sha256) === undefined;
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
  { train_on }: ExampleOptions,
  findings: Collector,
  signal: AbortSignal | undefined,
): AsyncGenerator<Segment> {
  const progress = startCount("tokenize", "row");
  let last = performance.now();
  let row = 0;
  try {
    for await (const read of trainingRows(source, tokenizer)) {
      if (!("stale" in read)) row++;
      if (performance.now() - last > 50) {
        progress.update(row);
        await turn(); // Ctrl-C is heard
        if (signal?.aborted) return;
        last = performance.now();
      }
      const segments = findings.of(read, (row) => toSegments(row, tokenizer, read.where, train_on));
      for (const segment of segments) yield { ...segment, row };
      if (findings.hopeless()) return;
    }
  } finally {
    progress.end();
  }
}
