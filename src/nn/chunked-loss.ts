/**
 * @file A loss of a language model without its logits: over chunks of supervised rows only, forward and backward together, so
 * that logits exist for one chunk at a time. What is minimised at a position is an argument.
 */

import { defineOp, type Op } from "../graph/op.ts";
import { sameShape } from "../graph/shape.ts";
import { constant, type DType, scalar, type Value } from "../graph/value.ts";
import { AfterInFewKernels, strictlyAfter } from "../ops/after.ts";
import {
  Add,
  Cast,
  Concat,
  ExpOfLogSoftmax,
  Gather,
  LogSoftmax,
  LogSoftmaxAt,
  MatMul,
  Mul,
  ReduceSum,
  Reshape,
} from "../ops/index.ts";
import { transposed } from "../ops/matmul.ts";
import { logitsOf } from "./predicted.ts";

/**
 * A chunk of supervised positions, padded with any position of weight 0: rows int32 [n] of hidden, weights [n, 1], and what
 * the rule reads of each position, [n, …].
 */
export type Chunk = { rows: Value; weights: Value; operands: readonly Value[] };

/** What is known of a chunk's positions: log softmax of their logits and its exponential, [n, vocab] each. */
export type Predicted = {
  logprobs: Value;
  /** Of ids int32 [n, k]: [n, k]. */
  logprobsAt(ids: Value): Value;
  probabilities: Value;
  /** One number for each position: [n, 1]. */
  fill(value: number): Value;
};

/**
 * The loss of each position [n, 1], d loss / d logits [n, vocab], over `scale` [n, 1] where that is a factor of it, and what is
 * logged beside the loss, [n, 1] each.
 */
export type Ruled = { loss: Value; gradient: Value; scale?: Value; metrics?: Record<string, Value> };

/** What is minimised at a position, in float32 whatever the model computes in. */
export type TokenRule = (predicted: Predicted, ...operands: Value[]) => Ruled;

/**
 * Σ weight · loss of the rule, and Σ weight · metric for each of its metrics: scalars. hidden [tokens, width], weight
 * [vocab, width], slots int32 [tokens] (the inverse of the chunks' rows laid end to end; their total for a token that is not
 * supervised).
 */
export function chunkedLoss(
  hidden: Value,
  weight: Value,
  slots: Value,
  chunks: readonly Chunk[],
  rule: TokenRule,
): { loss: Value; metrics: Record<string, Value> } {
  const operands = chunks.flatMap(({ rows, weights, operands }) => [rows, weights, ...operands]);
  const attrs = { rule, width: operands.length / chunks.length };
  const { metrics } = lossAndGradients(hidden, weight, slots, operands, attrs);
  return { loss: Chunked(hidden, weight, slots, ...operands, attrs), metrics };
}

/** The rule, and how many operands a chunk has, its rows and weights among them. */
type Attrs = { rule: TokenRule; width: number };

const wideOf = (dtype: DType): DType => (dtype === "float16" ? "float32" : dtype);

const Chunked: Op<[hidden: Value, weight: Value, slots: Value, ...operands: Value[], attrs: Attrs]> = defineOp(
  "chunkedLoss",
  {
    infer: (_, hidden) => ({ dtype: wideOf(hidden.dtype), shape: [] }),
    expand: (attrs, hidden, weight, slots, ...operands) =>
      lossAndGradients(hidden, weight, slots, operands, attrs).loss,
    gradient({ dy, attrs }, hidden, weight, slots, ...operands) {
      const { dHidden, dWeight } = lossAndGradients(hidden, weight, slots, operands, attrs);
      const times = (x: Value) => (dy.data === 1 ? x : Mul(x, dy));
      return [times(dHidden), times(dWeight), null];
    },
  },
);

/**
 * The row weights move to the smaller factor of each product, but in half precision to d logits, where they lift small
 * probabilities above its least number.
 */
function lossAndGradients(
  hidden: Value,
  weight: Value,
  slots: Value,
  operands: readonly Value[],
  { rule, width: count }: Attrs,
) {
  const half = hidden.dtype === "float16";
  const [dhs, losses]: [Value[], Value[]] = [[], []];
  const metrics: Record<string, Value[]> = {};
  let dWeight: Value | undefined; // [width, vocab], summed before the next chunk begins
  for (let i = 0; i < operands.length; i += count) {
    const [rows, weights, ...given] = operands.slice(i, i + count) as [Value, Value, ...Value[]];
    // where the weight is frozen its gradient is not there to wait for
    const earlier = [dhs.at(-1), dWeight].filter((x) => x !== undefined);
    const inTurn = (x: Value) => earlier.reduce((later, before) => strictlyAfter(later, before), x);
    const h = inTurn(Gather(hidden, rows));
    const logits = logitsOf(h, weight);
    const column = sameShape(weights.shape, operands[1]!.shape) ? operands[1]! : weights; // the same for all chunks of a size
    const known: Predicted = {
      logprobs: LogSoftmax(logits),
      logprobsAt: (ids) => LogSoftmaxAt(logits, ids),
      probabilities: ExpOfLogSoftmax(logits),
      fill: (value) => Add(Mul(column, scalar(0, column.dtype)), scalar(value, column.dtype)),
    };
    const ruled = rule(known, ...given.map((x) => (x.node ? inTurn(x) : x)));
    const total = (x: Value) => ReduceSum(Mul(x, weights), { axes: [0, 1] });
    const loss = total(ruled.loss);
    let w = strictlyAfter(weights, ruled.loss);
    for (const [name, values] of Object.entries(ruled.metrics ?? {})) {
      const metric = total(values);
      metrics[name] = [...(metrics[name] ?? []), metric];
      w = strictlyAfter(w, metric);
    }
    if (ruled.scale) w = Mul(w, ruled.scale);
    const gradient = AfterInFewKernels(ruled.gradient, w); // which has waited for what is read of probabilities
    const d = half ? Cast(Mul(gradient, w), { to: hidden.dtype }) : gradient;
    const product = MatMul(d, weight);
    const dh = half ? product : Mul(product, w);
    dhs.push(dh);
    losses.push(loss);
    const part = MatMul(transposed(strictlyAfter(half ? h : Mul(h, w), dh)), d); // the small factor is transposed
    dWeight = dWeight ? Add(dWeight, part) : part;
  }
  const sum = (xs: readonly Value[]) =>
    Reshape(
      xs.reduce((a, b) => Add(a, b)),
      { shape: [] },
    );
  const width = hidden.shape[1] as number;
  const zero = constant(new Float32Array(width), hidden.dtype, [1, width]);
  const whole = transposed(dWeight!);
  const dHidden = Gather(Concat(...dhs, strictlyAfter(zero, whole), { axis: 0, size: "slots" }), slots);
  const summed = Object.entries(metrics).map(([name, parts]): [string, Value] => [name, sum(parts)]);
  return { loss: sum(losses), metrics: Object.fromEntries(summed), dHidden, dWeight: whole };
}
