/** @file What a family declares so that llama.cpp can run its models, and so that they can be read from its files. */

import type { Metadata } from "../formats/gguf.ts";
import type { GgufEntry } from "../formats/gguf-reader.ts";

export type GgufLayout = {
  /** `general.architecture`. */
  architecture: string;
  /** The keys below the architecture's name that describe the model. */
  metadata: Metadata;
  tensors: readonly GgufName[];
  /** Tensors that follow from the config alone. */
  extra: readonly { gguf: string; shape: readonly number[]; data: Float32Array }[];
};

/** What a GGUF file says of a model, the architecture's name left out of the keys. */
export type GgufKeys = {
  /** A number that must be there unless there is a `fallback`. */
  number(key: string, fallback?: number): number;
  text(key: string): string | undefined;
  tensors: ReadonlyMap<string, GgufEntry>;
  /** A tensor's numbers. */
  read(tensor: string): Float32Array;
  /** Throws the sentence that says why this file cannot be read. */
  refuse(why: string): never;
};

/** Names of tensors, and of keys below the architecture's name, that all files of a family have, and that none has. */
export type GgufMarks = { has?: readonly string[]; lacks?: readonly string[] };

export type GgufName = {
  /** The weight's HF name. */
  name: string;
  gguf: string;
  /** Where llama.cpp rotates neighbours and HF the halves of a head: how many heads the rows make. */
  interleavedHeads?: number;
  /** llama.cpp's numbers are (HF's + offset)·scale. */
  offset?: number;
  scale?: number;
};

/** A weight of `rows` rows as llama.cpp wants it. */
export function arrangeWeight(data: Float32Array, names: GgufName, rows: number): Float32Array {
  const { interleavedHeads, offset = 0, scale = 1 } = names;
  const moved = interleavedHeads ? interleaveHeads(data, interleavedHeads, rows) : data;
  return offset === 0 && scale === 1 ? moved : moved.map((x) => (x + offset) * scale);
}

/** The way back: a weight as Hugging Face stores it. */
export function restoreWeight(data: Float32Array, names: GgufName, rows: number): Float32Array {
  const { interleavedHeads, offset = 0, scale = 1 } = names;
  const moved = interleavedHeads ? separateHeads(data, interleavedHeads, rows) : data;
  return offset === 0 && scale === 1 ? moved : moved.map((x) => x / scale - offset);
}

/** Rows for rotation of halves [heads, 2, head_dim / 2, …] as rows for rotation of neighbours [heads, head_dim / 2, 2, …]. */
export const interleaveHeads = (data: Float32Array, heads: number, rows: number): Float32Array =>
  moveRows(data, rows, (h, half, i, size) => [h * size + half * (size / 2) + i, h * size + 2 * i + half], heads);

/** The way back. */
export const separateHeads = (data: Float32Array, heads: number, rows: number): Float32Array =>
  moveRows(data, rows, (h, half, i, size) => [h * size + 2 * i + half, h * size + half * (size / 2) + i], heads);

type Move = (head: number, half: number, i: number, size: number) => [from: number, to: number];

function moveRows(data: Float32Array, rows: number, move: Move, heads: number): Float32Array {
  const width = data.length / rows;
  const size = rows / heads;
  const moved = new Float32Array(data.length);
  for (let h = 0; h < heads; h++)
    for (let half = 0; half < 2; half++)
      for (let i = 0; i < size / 2; i++) {
        const [from, to] = move(h, half, i, size);
        moved.set(data.subarray(from * width, (from + 1) * width), to * width);
      }
  return moved;
}
