/** @file Weight-decomposed low-rank adaptation (arXiv:2402.09353). */

import { defineOp, type Op } from "../graph/op.ts";
import { scalar, type Value } from "../graph/value.ts";
import { Add, Concat, Div, MatMul, Mul, ReduceSumSquare, Reshape, Sqrt, Sub, Where } from "../ops/index.ts";
import { linear } from "./linear.ts";
import { lora, narrowed, type Scaling } from "./lora.ts";

/** A [r, in], B [out, r], and what the rows of W + s B A are multiplied by: g [out]. */
type Parts = readonly [a: Value, b: Value, g: Value];

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

/** The same with g = magnitude / ‖W + s B A‖, so that rows have the lengths of `magnitude`, [out]. */
export const ofMagnitude = (weight: Value, [a, b, magnitude]: Parts, { scaling }: Scaling): Parts => [
  a,
  b,
  Div(magnitude, rowNorms(weight, a, b, { scaling })),
];

/**
 * g·(x (W + s B A)'), or with dropout x W' + (g - 1)·(u W') + g·(s u A' B') of u = mask·x / keep: x [tokens, in],
 * weight [out, in], mask bool [tokens, in]: [tokens, out].
 */
export function dora(x: Value, weight: Value, [a, b, g]: Parts, { scaling, keep }: Scaling, mask?: Value): Value {
  const whole = { scaling, keep: 1 };
  if (!mask) return Mul(lora(x, weight, a, b, whole), g);
  const u = dropped(x, keep, mask);
  return Add(linear(Sub(x, u), weight), Mul(lora(u, weight, a, b, whole), g));
}

const dropped = (x: Value, keep: number, mask: Value): Value =>
  Mul(Where(mask, x, scalar(0, x.dtype)), scalar(1 / keep, x.dtype));

/** `dora` as one product, of doraInput and: [W, g·W, g·B], the first where there is dropout in training. */
export function doraWeight(weight: Value, [_, b, g]: Parts, { keep }: Scaling): Value {
  const rows = Reshape(g, { shape: [g.shape[0]!, 1] });
  const parts = [Mul(weight, rows), Mul(b, rows)] as const;
  return keep < 1 ? Concat(weight, ...parts, { axis: 1 }) : Concat(...parts, { axis: 1 });
}

/** [x - u, u, s u A'] of u = mask·x / keep; of u = x without a mask. */
export function doraInput(x: Value, a: Value, { scaling, keep }: Scaling, mask?: Value): Value {
  const u = mask ? dropped(x, keep, mask) : x;
  const parts = [u, narrowed(u, a, { scaling, keep: 1 })] as const;
  const axis = x.shape.length - 1;
  return keep < 1 ? Concat(Sub(x, u), ...parts, { axis }) : Concat(...parts, { axis });
}
