import { defineOp, type Op } from "../graph/op.ts";
import { elements } from "../graph/shape.ts";
import { type Dim, type DType, range, scalar, type Value } from "../graph/value.ts";
import { Cast, Equal } from "./elementwise.ts";
import { MatMul, transposed } from "./matmul.ts";
import { Expand, Reshape } from "./movement.ts";

/** Rows of `x` [rows, width] by `indices` int32 [n]: [n, width]. */
export const Gather: Op<[x: Value, indices: Value]> = defineOp("Gather", {
  infer: (_, x, indices) => ({ dtype: x.dtype, shape: [...indices.shape, ...x.shape.slice(1)] }),
  cost: "picked",
  gradient: ({ dy }, x, indices) => [sumRows(dy, indices, x.shape), null],
  spelling: { attributes: () => ({ axis: 0 }) },
});

/** One-hot rows are cheap up to this many columns, and their product with dy runs as fast as the machine multiplies. */
const ONE_HOT_ROWS = 512;

/** zeros [rows, width] with row i of `dy` [n, width] added to row indices[i]. */
function sumRows(dy: Value, indices: Value, shape: readonly Dim[]): Value {
  const [rows, width] = [elements([shape[0]!]), elements([shape[1]!])];
  const column = Reshape(indices, { shape: [...indices.shape, 1] });
  if (rows <= ONE_HOT_ROWS) return MatMul(transposed(oneHot(column, rows, dy.dtype)), dy);
  // ScatterND's addition is a race between threads on the CPU provider; ScatterElements' is not.
  const everywhere = Expand(column, { shape: [...indices.shape, width] });
  // in half precision a sum of many small rows would stand still, and the CPU provider has no such addition
  const half = dy.dtype === "float16";
  const rowsOf = half ? Cast(dy, { to: "float32" }) : dy;
  const sum = ScatterElements(Expand(scalar(0, rowsOf.dtype), { shape }), everywhere, rowsOf, { axis: 0 });
  return half ? Cast(sum, { to: dy.dtype }) : sum;
}

const oneHot = (column: Value, size: number, dtype: DType): Value => {
  return Cast(Equal(column, range(size, "int32", [1, size])), { to: dtype });
};

/** x[i, indices[i, j]] for `axis` 1: the elements of x along `axis` that `indices` (int32) names. */
export const GatherElements: Op<[x: Value, indices: Value, attrs: { axis: number }]> = defineOp("GatherElements", {
  infer: (_, x, indices) => ({ dtype: x.dtype, shape: indices.shape }),
  cost: "picked",
  gradient: ({ dy, attrs }, x, indices) => [
    ScatterElements(Expand(scalar(0, x.dtype), { shape: x.shape }), indices, dy, attrs),
    null,
  ],
});

/** x with `updates` in the place of what is at `indices` (int32) along `axis`, of which none is twice. Has no gradient. */
export const Overwrite: Op<[x: Value, indices: Value, updates: Value, attrs: { axis: number }]> = defineOp(
  "ScatterElements",
  {
    infer: (_, { dtype, shape }) => ({ dtype, shape }),
    inPlace: true,
    spelling: { attributes: ({ axis }) => ({ axis }) },
  },
);

/** x with `updates` added at `indices` (int32) along `axis`. Repeated indices add up. */
export const ScatterElements: Op<[x: Value, indices: Value, updates: Value, attrs: { axis: number }]> = defineOp(
  "ScatterElements",
  {
    infer: (_, { dtype, shape }) => ({ dtype, shape }),
    inPlace: true,
    gradient: ({ dy, attrs }, _, indices) => [dy, null, GatherElements(dy, indices, attrs)],
    spelling: { attributes: ({ axis }) => ({ axis, reduction: "add" }) },
  },
);
