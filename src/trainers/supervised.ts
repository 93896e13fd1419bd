/** @file Objectives that are a mean over supervised positions of what a rule makes of each: their graph and their tensors. */

import type { Batch, BatchShape } from "../data/batch.ts";
import { tokenFeeds, tokenInputs } from "../generation/tokens.ts";
import { type DType, input, type Value } from "../graph/value.ts";
import type { Model, Tokens } from "../models/model.ts";
import { chunkedLoss, type TokenRule } from "../nn/chunked-loss.ts";
import { crossEntropy } from "../nn/cross-entropy.ts";
import { Add, Gather, Mul } from "../ops/index.ts";
import { type Tensor, tensor } from "../runtime/tensor.ts";
import type { Losses, LossOptions, Objective } from "./objective.ts";

/** What a rule reads of each position beside the student's prediction. */
export type Operand =
  /** Numbers that are fed: a column of this name, [n, width]. */
  | { column: string; dtype: "int32" | "float32"; width: number }
  /** The rows of a value for all tokens, [tokens, …], that belong to the positions. */
  | { of: (tokens: Tokens) => Value }
  /** The same for all positions. */
  | { shared: Value };

/** Numbers for each supervised position of a batch, of which `width` belong to one; `padding` fills a chunk up. */
export type Column = {
  dtype: "int32" | "float32";
  width: number;
  at(position: number): ArrayLike<number>;
  padding: ArrayLike<number>;
};

/**
 * Σ weight · loss of the rule over the supervised positions of a batch: scalars of the inputs that `supervisedFeeds` gives.
 * `also` adds what another loss makes of the same last hidden states, [tokens, width].
 */
export function supervisedLoss(
  model: Model,
  shape: BatchShape,
  rule: TokenRule,
  operands: readonly Operand[],
  { rematerialize = false, scale }: LossOptions = {},
  also?: (hidden: Value) => Losses,
): Losses {
  const tokens = tokenInputs(shape);
  const hidden = model.hidden(tokens, { rematerialize });
  const dtype: DType = hidden.dtype === "float16" ? "float32" : hidden.dtype;
  const computed = operands.map((operand) => ("of" in operand ? operand.of(tokens) : undefined));
  const chunks = Array.from({ length: shape.chunks }, (_, i) => {
    const rows = input(`rows_${i}`, "int32", ["supervised"]);
    const weights = input(`weights_${i}`, dtype, ["supervised", 1]);
    const given = operands.map((operand, k) => {
      if ("shared" in operand) return operand.shared;
      if ("of" in operand) return Gather(computed[k]!, rows);
      const { column, width } = operand;
      return input(`${column}_${i}`, operand.dtype === "int32" ? "int32" : dtype, ["supervised", width]);
    });
    return { rows, weights: scale ? Mul(weights, scale) : weights, operands: given };
  });
  const slots = input("slots", "int32", [shape.rows * shape.length]);
  const own = chunkedLoss(hidden, model.head, slots, chunks, rule);
  const { loss, metrics, weights = {} } = also?.(hidden) ?? {};
  return { loss: loss ? Add(own.loss, loss) : own.loss, metrics: { ...own.metrics, ...metrics }, weights };
}

/** Positions in a chunk: no more than needed, but where launches are repeated one of few sizes. */
function chunkSize(supervised: number, { rows, length, chunks, fewKernels }: BatchShape): number {
  const needed = Math.max(1, Math.ceil(supervised / chunks));
  const unit = fewKernels ? Math.ceil((rows * length) / chunks / FEW_SIZES) : 1;
  return Math.ceil(needed / unit) * unit;
}

const FEW_SIZES = 4;

/** The tensors for supervisedLoss, with the same weight for every supervised position. */
export function supervisedFeeds(
  batch: Batch,
  weight: number,
  columns: Record<string, Column>,
  dtype: "float32" | "float64" = "float32",
): Record<string, Tensor> {
  const { supervised, shape } = batch;
  const size = chunkSize(supervised.length, shape);
  const slots = new Int32Array(shape.rows * shape.length).fill(size * shape.chunks);
  supervised.forEach(({ position }, i) => {
    slots[position] = i;
  });
  const feeds: Record<string, Tensor> = { ...tokenFeeds(batch), slots: tensor("int32", [slots.length], slots) };
  for (let i = 0; i < shape.chunks; i++) {
    const rows = new Int32Array(size);
    const weights = new Float64Array(size);
    for (let k = 0; k < size && i * size + k < supervised.length; k++) {
      rows[k] = supervised[i * size + k]!.position;
      weights[k] = weight;
    }
    feeds[`rows_${i}`] = tensor("int32", [size], rows);
    feeds[`weights_${i}`] = tensor(dtype, [size, 1], [...weights]);
    for (const [name, { width, at, padding, ...column }] of Object.entries(columns)) {
      const data = column.dtype === "int32" ? new Int32Array(size * width) : new Float64Array(size * width);
      for (let k = 0; k < size; k++) {
        const position = i * size + k;
        data.set(position < supervised.length ? at(position) : padding, k * width);
      }
      feeds[`${name}_${i}`] =
        data instanceof Int32Array ? tensor("int32", [size, width], data) : tensor(dtype, [size, width], [...data]);
    }
  }
  return feeds;
}

/** The tokens to predict. */
export const LABELS: Operand = { column: "labels", dtype: "int32", width: 1 };

export const labelsOf = ({ supervised }: Batch): Column => ({
  dtype: "int32",
  width: 1,
  at: (position) => [supervised[position]!.label],
  padding: [0],
});

/** How many positions of a step's micro-batches are supervised. */
export const supervisedIn = (batches: readonly Batch[]): number =>
  batches.reduce((count, { supervised }) => count + supervised.length, 0);

/** The mean over all supervised tokens of a step of -log p(token). */
export const nextToken: Objective<Batch> = {
  loss: (model, shape, options) => supervisedLoss(model, shape, crossEntropy, [LABELS], options),
  feeds(batches) {
    const total = supervisedIn(batches);
    return batches.map((batch) => nextTokenFeeds(batch, 1 / total));
  },
};

/** The tensors of one micro-batch, with the same weight for every token. */
export const nextTokenFeeds = (batch: Batch, weight: number, dtype?: "float32" | "float64") =>
  supervisedFeeds(batch, weight, { labels: labelsOf(batch) }, dtype);
