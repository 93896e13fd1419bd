/** @file Weight-decomposed low-rank adaptation (arXiv:2402.09353). */

import { defineOp, type Op } from "../graph/op.ts";
import { scalar, type Value } from "../graph/value.ts";
import { Add, Div, MatMul, Mul, ReduceSumSquare, Reshape, Sqrt, Sub, Where } from "../ops/index.ts";
import { linear } from "./linear.ts";
import { lora, type Scaling } from "./lora.ts";

/**
 * ‖W + s B A‖ of each row: weight [out, in], a [r, in], b [out, r]: [out]. A constant to the gradient, as the paper proposes
 * (section 4.3).
 */
export const rowNorms: Op<[weight: Value, a: Value, b: Value, attrs: { scaling: number }]> = defineOp("row_norms", {
  infer: (_, weight) => ({ dtype: weight.dtype, shape: [weight.shape[0]!] }),
  expand({ scaling }, weight, a, b) {
    const merged = Add(weight, MatMul(b, Mul(a, scalar(scaling, a.dtype))));
    return Reshape(Sqrt(ReduceSumSquare(merged, { axes: [1] })), { shape: [weight.shape[0]!] });
  },
  gradient: () => [null, null, null],
});

/**
 * g·(x (W + s B A)') with g = magnitude / ‖W + s B A‖, or with dropout x W' + (g - 1)·(u W') + g·(s u A' B') of
 * u = mask·x / keep: x [tokens, in], weight [out, in], a [r, in], b [out, r], magnitude [out], mask bool [tokens, in].
 */
export function dora(
  x: Value,
  weight: Value,
  [a, b, magnitude]: readonly [Value, Value, Value],
  { scaling, keep }: Scaling,
  mask?: Value,
): Value {
  const g = Div(magnitude, rowNorms(weight, a, b, { scaling }));
  if (!mask) return Mul(lora(x, weight, a, b, { scaling, keep: 1 }), g);
  const u = Mul(Where(mask, x, scalar(0, x.dtype)), scalar(1 / keep, x.dtype));
  return Add(linear(Sub(x, u), weight), Mul(lora(u, weight, a, b, { scaling, keep: 1 }), g));
}
