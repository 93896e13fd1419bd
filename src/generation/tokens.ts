/** @file The tokens of a batch as a program reads them: the inputs of its graph, and the tensors for them. */

import type { Batch, BatchShape } from "../data/batch.ts";
import { rewrite } from "../graph/rewrite.ts";
import { constant, input, type Value } from "../graph/value.ts";
import type { Tokens } from "../models/model.ts";
import { type Tensor, tensor } from "../runtime/tensor.ts";

const KEY_START = "key_start_";
/** Sizes that are the same for every batch let launches be repeated: each block of attention reads all keys before it. */
const FIRST = constant([0], "int64");

/** The inputs of a program that reads a batch's tokens. */
export function tokenInputs({ rows, length, block, fewKernels }: BatchShape): Tokens {
  return {
    rows,
    length,
    block,
    fewKernels,
    input_ids: input("input_ids", "int32", [rows * length]),
    positions: input("positions", "int64", [rows, length]),
    segmentStarts: input("segment_starts", "float32", [rows, length, 1, 1]),
    keyStarts: Array.from({ length: Math.ceil(length / block) - 1 }, (_, i) =>
      fewKernels ? FIRST : input(`${KEY_START}${i}`, "int64", [1]),
    ),
  };
}

/**
 * `outputs` of a program whose sizes are the same for every batch: each block of attention reads all keys before it, and masks
 * hide those that it must not see.
 */
export const readingAllKeys = (outputs: readonly Value[]): Value[] =>
  rewrite(outputs, ({ node, name }) => (!node && name?.startsWith(KEY_START) ? constant([0], "int64") : undefined));

/** The tensors for tokenInputs. */
export function tokenFeeds({
  shape: { rows, length, fewKernels },
  input_ids,
  positions,
  segmentStarts,
  keyStarts,
}: Batch): Record<string, Tensor> {
  return {
    input_ids: tensor("int32", [rows * length], input_ids),
    positions: tensor("int64", [rows, length], positions),
    segment_starts: tensor("float32", [rows, length, 1, 1], segmentStarts),
    ...Object.fromEntries(
      (fewKernels ? [] : keyStarts).map((start, i) => [`${KEY_START}${i}`, tensor("int64", [1], [start])]),
    ),
  };
}
