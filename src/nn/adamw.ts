import { type DType, input, scalar, type Value } from "../graph/value.ts";
import { Add, Div, Mul, ReduceSum, Reshape, Sqrt, Sub } from "../ops/index.ts";

export type AdamWOptions = { beta1: number; beta2: number; epsilon: number };

/**
 * One step of AdamW (arXiv:1711.05101, algorithm 2) for a tensor of `rank` axes whose sizes are known only at run time:
 * inputs param, grad, m, v and the scalars learning_rate, weight_decay, clip (the factor on the gradient), and
 * bias1 = 1 - beta1^t, bias2 = 1 - beta2^t; outputs param, m, v.
 */
export function adamW(
  rank: number,
  { beta1, beta2, epsilon }: AdamWOptions,
  dtype: DType = "float32",
): Record<string, Value> {
  const shape = ["rows", ...Array.from({ length: rank - 1 }, (_, i) => `size_${i}`)];
  const [param, grad, m, v] = ["param", "grad", "m", "v"].map((name) => input(name, dtype, shape)) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const [rate, decay, clip, bias1, bias2] = ["learning_rate", "weight_decay", "clip", "bias1", "bias2"].map((name) =>
    input(name, dtype, []),
  ) as [Value, Value, Value, Value, Value];
  const number = (x: number) => scalar(x, dtype);
  // what is scalar is combined first: a scalar costs nothing, a pass over the tensor does
  const m1 = Add(Mul(m, number(beta1)), Mul(grad, Mul(clip, number(1 - beta1))));
  const v1 = Add(Mul(v, number(beta2)), Mul(Mul(grad, grad), Mul(Mul(clip, clip), number(1 - beta2))));
  const root = Sqrt(bias2);
  const denominator = Add(Sqrt(v1), Mul(root, number(epsilon)));
  const step = Mul(Div(m1, denominator), Div(Mul(rate, root), bias1));
  const decayed = Mul(param, Sub(number(1), Mul(rate, decay)));
  return { next_param: Sub(decayed, step), next_m: m1, next_v: v1 };
}

/** Σ x² over all elements of all tensors: a scalar. */
export function sumOfSquares(xs: readonly Value[]): Value {
  const squares = xs.map((x) => Reshape(ReduceSum(Mul(x, x), { axes: x.shape.map((_, i) => i) }), { shape: [] }));
  return squares.reduce((a, b) => Add(a, b));
}
