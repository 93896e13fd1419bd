/** @file What the matrices of a model read: Σ x² of each column over the tokens of texts, which says where rounding hurts. */

import { batchShape, layOut, type Segment } from "../data/batch.ts";
import { pack } from "../data/packing.ts";
import { input, toposort, type Value } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { MatMul, Mul } from "../ops/index.ts";
import type { Device } from "../runtime/device.ts";
import { type Tensor, tensor } from "../runtime/tensor.ts";
import { tokenFeeds, tokenInputs } from "./tokens.ts";

/** Tokens that are computed together, where one text is no longer. */
const TOKENS = 2048;
/** Rows are of a multiple of so many tokens. */
const STEP = 32;

export type SumsOptions = {
  /** Told how many tokens are done. */
  onTokens?: (tokens: number) => void;
  signal?: AbortSignal;
};

/**
 * Σ x² of each column that each matrix of `model` reads, over all tokens of `texts`, by the matrix's name; the head's too.
 * Weights are states of the device. Nothing where `signal` ended it.
 */
export async function columnSums(
  device: Device,
  trained: Model,
  texts: readonly (readonly number[])[],
  { onTokens, signal }: SumsOptions = {},
): Promise<Map<string, Float64Array> | undefined> {
  const model = trained.eval();
  const lengths = Int32Array.from(texts, ({ length }) => length);
  const length = Math.ceil(Math.max(...lengths) / STEP) * STEP;
  const rows = pack(lengths, length);
  const shape = batchShape(Math.min(rows.length, Math.max(1, Math.floor(TOKENS / length))), length, 1);
  const hidden = model.hidden(tokenInputs(shape), { inference: true });
  const reading = inputsOfMatrices(model, hidden);
  const distinct = [...new Set(reading.values())];
  const mask = input("mask", "float32", [1, shape.rows * length]);
  // a product with the mask sums the tokens and leaves padding out
  const program = await device.compile(
    Object.fromEntries(distinct.map((x, i) => [`sums_${i}`, MatMul(mask, Mul(x, x))])),
  );
  const sums = distinct.map(({ shape }) => new Float64Array(shape.at(-1) as number));
  let done = 0;
  try {
    for (let first = 0; first < rows.length; first += shape.rows) {
      if (signal?.aborted) return undefined;
      const segments = rows.slice(first, first + shape.rows).map((row) => row.map((i) => segmentOf(texts[i]!)));
      const feeds = { ...tokenFeeds(layOut(segments, shape)), mask: maskOf(segments, shape.rows, length) };
      const found = await program.run(feeds);
      for (const [i, sum] of sums.entries())
        (found[`sums_${i}`]!.data as Float32Array).forEach((x, column) => {
          sum[column]! += x;
        });
      for (const row of segments) done += tokensIn(row);
      onTokens?.(done);
    }
  } finally {
    await program.release();
  }
  return new Map([...reading].map(([name, x]) => [name, sums[distinct.indexOf(x)]!]));
}

/** What each matrix is multiplied with in the making of `hidden`, by its name; the head reads `hidden` itself. */
function inputsOfMatrices({ parameters, adapter, head }: Model, hidden: Value): Map<string, Value> {
  if (adapter) throw new Error("What the matrices of a model read is asked of one whose adapter is merged.");
  const matrices = new Set(parameters.flatMap(({ name, shape }) => (shape.length === 2 ? [name] : [])));
  const reading = new Map<string, Value>();
  for (const { node } of toposort(hidden)) {
    const [x, matrix] = node?.inputs ?? [];
    const weight = matrix?.node?.op.type === "Transpose" ? matrix.node.inputs[0]! : undefined;
    if (node?.op.type === "MatMul" && weight?.name && matrices.has(weight.name)) reading.set(weight.name, x!);
  }
  reading.set(head.name!, hidden);
  const missing = [...matrices].find((name) => !reading.has(name) && name !== "model.embed_tokens.weight");
  if (missing) throw new Error(`Nothing is multiplied with the matrix "${missing}".`);
  return reading;
}

const segmentOf = (tokens: readonly number[]): Segment => ({ tokens, supervised: [] });

const tokensIn = (row: readonly Segment[]): number => row.reduce((sum, { tokens }) => sum + tokens.length, 0);

/** 1 for each token of a text, 0 for padding: [1, rows·length]. */
function maskOf(rows: readonly (readonly Segment[])[], count: number, length: number): Tensor {
  const mask = new Float32Array(count * length);
  rows.forEach((row, r) => {
    mask.fill(1, r * length, r * length + tokensIn(row));
  });
  return tensor("float32", [1, mask.length], mask);
}
