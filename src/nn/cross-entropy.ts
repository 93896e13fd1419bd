/**
 * @file The language-model loss without the logits: over chunks of supervised rows only, forward and backward together, so
 * that logits exist for one chunk at a time.
 */

import { defineOp, type Op } from "../graph/op.ts";
import { constant, type DType, scalar, type Value } from "../graph/value.ts";
import {
  Add,
  After,
  Cast,
  Concat,
  Exp,
  Gather,
  GatherElements,
  LogSoftmax,
  MatMul,
  Mul,
  Neg,
  ReduceSum,
  Reshape,
  ScatterElements,
} from "../ops/index.ts";
import { transposed } from "../ops/matmul.ts";
import { linear } from "./linear.ts";

/**
 * A chunk of supervised positions, padded with any position of weight 0: rows int32 [n] of hidden, labels int32 [n, 1] (the
 * tokens to predict there), weights [n, 1].
 */
export type Chunk = { rows: Value; labels: Value; weights: Value };

/**
 * Σ weight · -log softmax(hidden W')[label]: a scalar. hidden [tokens, width], weight [vocab, width], slots int32 [tokens]
 * (the inverse of the chunks' rows laid end to end; their total for a token that is not supervised).
 */
export const crossEntropy = (hidden: Value, weight: Value, slots: Value, chunks: readonly Chunk[]): Value =>
  chunkedLoss(hidden, weight, slots, ...chunks.flatMap(({ rows, labels, weights }) => [rows, labels, weights]));

const wideOf = (dtype: DType): DType => (dtype === "float16" ? "float32" : dtype);

const chunkedLoss: Op<[hidden: Value, weight: Value, slots: Value, ...chunks: Value[]]> = defineOp("chunkedLoss", {
  infer: (_, hidden) => ({ dtype: wideOf(hidden.dtype), shape: [] }),
  expand: (_, hidden, weight, slots, ...chunks) => lossAndGradients(hidden, weight, slots, chunks).loss,
  gradient({ dy }, hidden, weight, slots, ...chunks) {
    const { dHidden, dWeight } = lossAndGradients(hidden, weight, slots, chunks);
    const times = (x: Value) => (dy.data === 1 ? x : Mul(x, dy));
    return [times(dHidden), times(dWeight), null];
  },
});

/**
 * With p = softmax(h W'): d logits = weight · (p - onehot), in float32 whatever hidden is in. The row weights move to the
 * smaller factor of each product, but in half precision to d, where they lift small probabilities above its least number.
 */
function lossAndGradients(hidden: Value, weight: Value, slots: Value, chunks: readonly Value[]) {
  const half = hidden.dtype === "float16";
  const [dhs, losses]: [Value[], Value[]] = [[], []];
  let dWeight: Value | undefined; // [width, vocab], summed before the next chunk begins
  for (let i = 0; i < chunks.length; i += 3) {
    const [rows, labels, weights] = chunks.slice(i, i + 3) as [Value, Value, Value];
    // where the weight is frozen its gradient is not there to wait for
    const h = [dhs.at(-1), dWeight].reduce(
      (x: Value, earlier) => (earlier ? After(x, earlier) : x),
      Gather(hidden, rows),
    );
    const logits = linear(h, weight);
    const logprobs = LogSoftmax(half ? Cast(logits, { to: "float32" }) : logits);
    const loss = Neg(ReduceSum(Mul(GatherElements(logprobs, labels, { axis: 1 }), weights), { axes: [0, 1] }));
    const minusOne = Add(Mul(weights, scalar(0, weights.dtype)), scalar(-1, weights.dtype));
    const difference = ScatterElements(Exp(logprobs), labels, minusOne, { axis: 1 }); // p - onehot
    const w = After(weights, loss);
    const d = half ? Cast(Mul(difference, w), { to: hidden.dtype }) : difference;
    const product = MatMul(d, weight);
    const dh = half ? product : Mul(product, w);
    dhs.push(dh);
    losses.push(loss);
    const part = MatMul(transposed(After(half ? h : Mul(h, w), dh)), d); // the small factor is transposed
    dWeight = dWeight ? Add(dWeight, part) : part;
  }
  const sum = (xs: Value[]) => xs.reduce((a, b) => Add(a, b));
  const width = hidden.shape[1] as number;
  const zero = constant(new Float32Array(width), hidden.dtype, [1, width]);
  const whole = transposed(dWeight!);
  const dHidden = Gather(Concat(...dhs, After(zero, whole), { axis: 0, size: "slots" }), slots);
  return { loss: Reshape(sum(losses), { shape: [] }), dHidden, dWeight: whole };
}
