/** @file A batch of packed rows, as the tensors that a program takes. */

import { DistillError } from "../core/errors.ts";

/** One example: its tokens, and which of them are supervised (predicted from what stands before them). */
export type Segment = {
  tokens: readonly number[];
  supervised: readonly boolean[];
  /** Its number in the dataset, from 1. */
  row?: number;
  /** Whether a token of the whole text stands on both sides of a boundary of what is learned, and was cut there. */
  split?: boolean;
  /** Whether a first turn of the assistant is no part of what is learned, as nobody asked for it. */
  unasked?: boolean;
};

/** Segments that lie one after the other in one row. */
export type Row = readonly Segment[];

/** Sizes that a program is compiled for. */
export type BatchShape = {
  rows: number;
  /** Tokens in a row. */
  length: number;
  /** Queries in a block of attention. */
  block: number;
  /** Pieces in which the loss is computed. */
  chunks: number;
  /** Whether every kernel costs a launch, so that more is computed in one. */
  fewKernels?: boolean;
};

/**
 * Where a kernel costs a launch: heads of queries, and the elements of the largest scores of whole rows, of the largest scores of
 * a block where they are more, and of the largest logits.
 */
export type Pieces = { heads: number; whole: number; scores: number; logits: number };

/** Elements of the largest logits unless given, and those that they need not stay below: 128 and 16 MiB of float32. */
const [MOST, ENOUGH] = [2 ** 25, 2 ** 22];

/** Tokens of which each piece of the loss has so many that adding up its gradients costs little beside its products. */
const MANY = 512;

/**
 * The sizes for rows of `length` tokens: a short row is one block; logits of one piece take 16 MiB, or up to
 * 128 where that is less than 512 tokens. With `pieces` blocks are as long, and pieces of the loss as large, as these allow.
 */
export function batchShape(rows: number, length: number, vocab_size: number, pieces?: Pieces): BatchShape {
  if (rows * length > MOST_TOKENS)
    throw new DistillError(
      `A micro-batch of ${rows} rows of ${length} tokens is larger than any memory: at most ${MOST_TOKENS} tokens are laid out at once. Lower trainer.per_device_train_batch_size or max_length.`,
    );
  const within = (logits: number) => Math.floor(logits / vocab_size);
  const fitting = pieces ? within(pieces.logits) : Math.min(within(MOST), Math.max(MANY, within(ENOUGH)));
  const rowsInChunk = Math.max(64, fitting);
  const small = length <= 192 ? length : length <= 2048 ? 128 : 192;
  const scores = pieces && rows * pieces.heads * length ** 2;
  const blocks = scores && (scores <= pieces.whole ? 1 : Math.ceil(scores / pieces.scores));
  const block = blocks ? Math.max(small, Math.ceil(length / blocks)) : small;
  const shape = { rows, length, block: Math.min(block, length), chunks: Math.ceil((rows * length) / rowsInChunk) };
  return pieces ? { ...shape, fewKernels: true } : shape;
}

/** Tokens of a micro-batch. */
const MOST_TOKENS = 2 ** 28;

export type Batch = {
  shape: BatchShape;
  /** [rows·length]; what no segment covers is token 0. */
  input_ids: Int32Array;
  /** [rows·length]: counted from the start of each segment. */
  positions: BigInt64Array;
  /** [rows·length]: the index in its row at which each token's segment starts. */
  segmentStarts: Float32Array;
  /** One for each block of queries but the first: the first key that any of them may see. */
  keyStarts: number[];
  /** Positions whose next token is supervised, in [0, rows·length), and that token. */
  supervised: { position: number; label: number }[];
};

/** Lay rows out. Padding is a segment of its own for each token, so that nothing sees it and it sees nothing. */
export function layOut(rows: readonly Row[], shape: BatchShape): Batch {
  const { length, block } = shape;
  if (rows.length > shape.rows) throw new DistillError(`A batch of ${shape.rows} rows was given ${rows.length}.`);
  const tokens = shape.rows * length;
  const batch: Batch = {
    shape,
    input_ids: new Int32Array(tokens),
    positions: new BigInt64Array(tokens),
    segmentStarts: Float32Array.from({ length: tokens }, (_, i) => i % length),
    keyStarts: [],
    supervised: [],
  };
  rows.forEach((row, r) => {
    let start = 0;
    for (const { tokens: ids, supervised } of row) {
      if (start + ids.length > length)
        throw new DistillError(`A row of ${length} tokens was given ${start + ids.length}.`);
      ids.forEach((id, i) => {
        const at = r * length + start + i;
        batch.input_ids[at] = id;
        batch.positions[at] = BigInt(i);
        batch.segmentStarts[at] = start;
        if (i > 0 && supervised[i]) batch.supervised.push({ position: at - 1, label: id });
      });
      start += ids.length;
    }
  });
  for (let first = block; first < length; first += block) {
    const starts = Array.from({ length: shape.rows }, (_, r) => batch.segmentStarts[r * length + first]!);
    batch.keyStarts.push(Math.min(...starts));
  }
  return batch;
}
