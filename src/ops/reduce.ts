import { defineOp, type Op, type Spelling } from "../graph/op.ts";
import { elements } from "../graph/shape.ts";
import { constant, scalar, type TensorType, type Value } from "../graph/value.ts";
import { Div, Equal, Mul, Where } from "./elementwise.ts";
import { Expand } from "./movement.ts";

type Axes = { axes: number[] };

const reduced = ({ axes }: Axes, x: TensorType): TensorType => ({
  dtype: x.dtype,
  shape: x.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)),
});

const spelling: Spelling<Axes> = {
  inputs: ({ axes }, [x]) => [x!, constant(axes, "int64")],
  attributes: () => ({ keepdims: 1 }),
};

/** Axes that are not the last ones are transposed to the end first. */
const launches = ({ axes }: Axes, [x]: readonly Value[]) =>
  axes.every((axis) => axis >= x!.shape.length - axes.length) ? 1 : 2;

/** Axes are kept with size 1; drop them with Reshape. */
export const ReduceSum: Op<[x: Value, attrs: Axes]> = defineOp("ReduceSum", {
  infer: reduced,
  launches,
  gradient: ({ dy }, x) => [spread(dy, x)],
  spelling,
});

/** Axes are kept with size 1. The sizes of the axes must be known. */
export const ReduceMean: Op<[x: Value, attrs: Axes]> = defineOp("ReduceMean", {
  infer: reduced,
  launches,
  gradient: ({ dy, attrs: { axes } }, x) => {
    const count = elements(axes.map((axis) => x.shape[axis]!));
    return [spread(Mul(dy, scalar(1 / count, dy.dtype)), x)];
  },
  spelling,
});

/** Σ x²; axes are kept with size 1. */
export const ReduceSumSquare: Op<[x: Value, attrs: Axes]> = defineOp("ReduceSumSquare", {
  infer: reduced,
  launches,
  gradient: ({ dy }, x) => [Mul(Mul(x, scalar(2, x.dtype)), dy)],
  spelling,
});

/** Axes are kept with size 1. Elements that share the maximum share its gradient. */
export const ReduceMax: Op<[x: Value, attrs: Axes]> = defineOp("ReduceMax", {
  infer: reduced,
  launches,
  gradient({ dy, y, attrs }, x) {
    const ones = Where(Equal(x, y), scalar(1, x.dtype), scalar(0, x.dtype));
    return [Mul(ones, Div(dy, ReduceSum(ones, attrs)))];
  },
  spelling,
});

/** Repeat the reduced `dy` to the shape of `x`, by multiplication where a size is known only at run time. */
const spread = (dy: Value, x: Value): Value =>
  x.shape.every((dim, i) => typeof dim === "number" || dim === dy.shape[i])
    ? Expand(dy, { shape: x.shape })
    : Where(Equal(x, x), dy, dy);
