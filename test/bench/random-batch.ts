/** @file Rows of random tokens, all of which are learned. */

import type { Random } from "../../src/core/random.ts";
import { type Batch, type BatchShape, layOut } from "../../src/data/batch.ts";

export function randomBatch(shape: BatchShape, vocab: number, random: Random): Batch {
  const { rows, length } = shape;
  const row = () => ({
    tokens: Array.from({ length }, () => random.below(vocab)),
    supervised: new Array<boolean>(length).fill(true),
  });
  return layOut(
    Array.from({ length: rows }, () => [row()]),
    shape,
  );
}
