/**
 * @file Examples that are tokenised once. They lie in a file, an Arrow stream with a list of tokens and a mask each; in
 * memory is only how long each is and where, so that a million of them are read one at a time.
 */

import { closeSync } from "node:fs";
import { DistillError } from "../core/errors.ts";
import { readAt } from "../core/reading.ts";
import { openFile } from "../core/streams.ts";
import { Int32 } from "../formats/apache-arrow.ts";
import { batchBuffers } from "../formats/arrow.ts";
import type { Segment } from "./batch.ts";
import { column, dataOf, INTEGERS } from "./columns.ts";
import { fillDataset, shardsOf } from "./dataset-folder.ts";
import { type Table, tableOf } from "./tables.ts";

/** Examples, wherever they are. */
export type Segments = {
  readonly length: number;
  /** How many tokens each has, and how many of them are supervised. */
  readonly lengths: Int32Array;
  readonly supervised: Int32Array;
  /** The number of each among all examples of the dataset, those that are left out too, from 0. */
  readonly numbers: Int32Array;
  /** The number of the row of the dataset that each is of, from 1. */
  readonly rows: Int32Array;
  /** One of them. */
  at(i: number): Segment;
};

/** Examples that are in memory. */
export function inMemory(segments: readonly Segment[]): Segments {
  return {
    length: segments.length,
    lengths: Int32Array.from(segments, ({ tokens }) => tokens.length),
    supervised: Int32Array.from(segments, supervisedIn),
    numbers: Int32Array.from(segments, (_, i) => i),
    rows: Int32Array.from(segments, ({ row = 0 }) => row),
    at: (i) => segments[i]!,
  };
}

/** Those of some examples that `keep` says. */
export function some(segments: Segments, keep: (i: number) => boolean): Segments {
  const chosen = Int32Array.from({ length: segments.length }, (_, i) => i).filter(keep);
  return {
    length: chosen.length,
    lengths: chosen.map((i) => segments.lengths[i]!),
    supervised: chosen.map((i) => segments.supervised[i]!),
    numbers: chosen.map((i) => segments.numbers[i]!),
    rows: chosen.map((i) => segments.rows[i]!),
    at: (i) => segments.at(chosen[i]!),
  };
}

/** All of them at once. */
export const allOf = (segments: Segments): Segment[] =>
  Array.from({ length: segments.length }, (_, i) => segments.at(i));

export const supervisedIn = ({ supervised }: Segment): number =>
  supervised.reduce((sum, learned) => sum + Number(learned), 0);

const PIECE = 1024; // examples in a record batch

/** Write examples into a folder that is new. */
export const writeExamples = (folder: string, segments: AsyncIterable<Segment>): Promise<void> =>
  fillDataset(folder, inPieces(segments));

async function* inPieces(segments: AsyncIterable<Segment>): AsyncGenerator<Table> {
  let piece: Segment[] = [];
  for await (const segment of segments) {
    piece.push(segment);
    if (piece.length < PIECE) continue;
    yield tableOfSegments(piece);
    piece = [];
  }
  if (piece.length > 0) yield tableOfSegments(piece);
}

const tableOfSegments = (segments: readonly Segment[]): Table =>
  tableOf({
    tokens: column(INTEGERS, segments, "tokens"),
    runs: dataOf(segments.map(runsOf), INTEGERS),
    row: dataOf(
      segments.map(({ row = 0 }) => row),
      new Int32(),
    ),
  });

/** The lengths of runs of tokens that are not supervised, that are, and so on. */
function runsOf({ supervised }: Segment): number[] {
  const runs = [0];
  let learned = false;
  for (const is of supervised) {
    if (is !== learned) {
      runs.push(0);
      learned = is;
    }
    runs[runs.length - 1]!++;
  }
  return runs;
}

/** Of the examples of one record batch: how long they are, and where in which file their numbers are. */
type Index = {
  lengths: Int32Array;
  supervised: Int32Array;
  rows: Int32Array;
  file: Int32Array;
  tokens: Float64Array;
  runs: Float64Array;
  runCount: Int32Array;
};

/** Open examples that writeExamples wrote. */
export function openExamples(folder: string): Segments {
  const files: { path: string; file: number }[] = [];
  const batches: Index[] = [];
  for (const path of shardsOf(folder)) {
    const file = openFile(path);
    files.push({ path, file });
    for (const { rows, buffers } of batchBuffers(path))
      batches.push(indexOf(path, file, files.length - 1, rows, buffers));
  }
  const ints = (key: keyof Index) => concatenated(batches, key, Int32Array);
  const places = (key: keyof Index) => concatenated(batches, key, Float64Array);
  const lengths = ints("lengths");
  const rows = ints("rows");
  const [inFile, runCount, tokensAt, runsAt] = [ints("file"), ints("runCount"), places("tokens"), places("runs")];
  const segments: Segments = {
    length: lengths.length,
    lengths,
    supervised: ints("supervised"),
    numbers: lengths.map((_, i) => i),
    rows,
    at(i) {
      const { path, file } = files[inFile[i]!]!;
      const read = (offset: number, count: number) => new Int32Array(readAt(path, file, offset, 4 * count).buffer);
      const supervised: boolean[] = [];
      for (const [k, run] of read(runsAt[i]!, runCount[i]!).entries())
        for (let n = 0; n < run; n++) supervised.push(k % 2 === 1);
      return { tokens: [...read(tokensAt[i]!, lengths[i]!)], supervised, row: rows[i]! };
    },
  };
  closing.register(
    segments,
    files.map(({ file }) => file),
  );
  return segments;
}

function indexOf(
  path: string,
  file: number,
  number: number,
  count: number,
  buffers: readonly { offset: number; length: number }[],
): Index {
  // validity and offsets of a list, validity and values of its items, twice; then those of the row
  const [, tokenOffsets, , tokenValues, , runOffsets, , runValues, , rowValues] = buffers;
  if (!tokenOffsets || !tokenValues || !runOffsets || !runValues || !rowValues)
    throw new DistillError(`${path} holds no examples. Remove its folder: it is made again.`);
  const [tokens, runs, allRuns, rows] = [tokenOffsets, runOffsets, runValues, rowValues].map(
    ({ offset, length }) => new Int32Array(readAt(path, file, offset, length - (length % 4)).buffer),
  ) as [Int32Array, Int32Array, Int32Array, Int32Array];
  const each = Int32Array.from({ length: count }, (_, i) => i);
  const learned = (i: number) => {
    let sum = 0;
    for (let at = runs[i]! + 1; at < runs[i + 1]!; at += 2) sum += allRuns[at]!;
    return sum;
  };
  return {
    lengths: each.map((i) => tokens[i + 1]! - tokens[i]!),
    supervised: each.map(learned),
    rows: rows.slice(0, count),
    file: each.map(() => number),
    tokens: Float64Array.from(each, (i) => tokenValues.offset + 4 * tokens[i]!),
    runs: Float64Array.from(each, (i) => runValues.offset + 4 * runs[i]!),
    runCount: each.map((i) => runs[i + 1]! - runs[i]!),
  };
}

function concatenated<Numbers extends Int32Array | Float64Array>(
  batches: readonly Index[],
  key: keyof Index,
  type: new (length: number) => Numbers,
): Numbers {
  const all = new type(batches.reduce((sum, batch) => sum + batch[key].length, 0));
  let at = 0;
  for (const { [key]: numbers } of batches) {
    all.set(numbers, at);
    at += numbers.length;
  }
  return all;
}

/** Files of examples that nobody holds any more are closed. */
const closing = new FinalizationRegistry<number[]>((files) => {
  for (const file of files) closeSync(file);
});
