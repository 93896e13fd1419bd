/** @file Low-rank adaptation (arXiv:2106.09685). */

import { defineOp, type Op } from "../graph/op.ts";
import { scalar, type Value } from "../graph/value.ts";
import { strictlyAfter } from "../ops/after.ts";
import { Add, After, MatMul, Mul, Where } from "../ops/index.ts";
import { transposed } from "../ops/matmul.ts";
import { linear } from "./linear.ts";

export type Scaling = {
  /** What B A is multiplied by. */
  scaling: number;
  /** The share of x that dropout keeps; what it keeps is divided by it. */
  keep: number;
};

/**
 * x (W + s B A)', or with dropout of the adapter's input x W' + s (mask·x / keep) A' B': x [tokens, in], weight [out, in],
 * a [r, in], b [out, r], mask bool [tokens, in] where there is dropout: [tokens, out].
 */
export const lora: Op<[x: Value, weight: Value, a: Value, b: Value, ...mask: Value[], attrs: Scaling]> = defineOp(
  "lora",
  {
    infer: (_, x, weight) => ({ dtype: x.dtype, shape: [...x.shape.slice(0, -1), weight.shape[0]!] }),
    expand(attrs, x, weight, a, b, mask) {
      if (isMerged(x, weight, mask)) return linear(x, merged(weight, a, b, attrs, x));
      return Add(linear(x, weight), linear(narrowed(x, a, attrs, mask), b));
    },
    // with u = s mask·x / keep A' and v = s dy B / keep: dA = v' (mask·x), dB = dy' u, dx = dy W + mask·(v A)
    gradient({ dy, attrs }, x, weight, a, b, given) {
      const mask = given && After(given, dy); // mask·x is made again rather than kept
      const v = Mul(MatMul(dy, b), factor(attrs, dy, mask));
      const dA = MatMul(transposed(v), dropped(x, mask));
      const dB = transposed(MatMul(transposed(narrowed(x, a, attrs, mask)), dy)); // the small factor is transposed
      const dx = isMerged(x, weight, mask)
        ? MatMul(dy, merged(weight, a, b, attrs, dy))
        : Add(MatMul(dy, weight), dropped(MatMul(v, a), mask));
      return [dx, MatMul(transposed(dy), x), dA, dB, null];
    },
  },
);

/** s (mask·x / keep) A': [tokens, r] */
export const narrowed = (x: Value, a: Value, attrs: Scaling, mask?: Value): Value =>
  Mul(linear(dropped(x, mask), a), factor(attrs, x, mask));

const dropped = (x: Value, mask: Value | undefined): Value => (mask ? Where(mask, x, scalar(0, x.dtype)) : x);

const factor = ({ scaling, keep }: Scaling, { dtype }: Value, mask: Value | undefined) =>
  scalar(mask ? scaling / keep : scaling, dtype);

/** W + s B A, made anew at each use: nobody keeps a second copy of the weights. */
const merged = (weight: Value, a: Value, b: Value, { scaling }: Scaling, use: Value): Value =>
  Add(weight, MatMul(strictlyAfter(b, use), Mul(a, scalar(scaling, a.dtype))));

/** Whether fewer passes over memory are made by adding to the weight, [out, in], than to what it makes of x. */
function isMerged(x: Value, weight: Value, mask: Value | undefined): boolean {
  const [tokens, out, width] = [x.shape[0], ...weight.shape];
  const known = typeof tokens === "number" && typeof out === "number" && typeof width === "number";
  return known && x.shape.length === 2 && !mask && tokens * (width + out) >= 2 * width * out;
}
