/** @file Sizes that are known only at run time, as values. */

import { defineOp, type Op } from "../graph/op.ts";
import { type Dim, scalar, type Value } from "../graph/value.ts";

/** The size of x along one axis: int64 [1]. */
export const Shape: Op<[x: Value, attrs: { axis: number }]> = defineOp("Shape", {
  infer: () => ({ dtype: "int64", shape: [1] }),
  launches: () => 0,
  spelling: { attributes: ({ axis }) => ({ start: axis, end: axis + 1 }) },
});

/** 0, 1, … limit - 1 for a limit int64 []: int64 [size]. */
export const Range: Op<[limit: Value, attrs: { size: Dim }]> = defineOp("Range", {
  infer: ({ size }) => ({ dtype: "int64", shape: [size] }),
  spelling: {
    inputs: (_, [limit]) => [scalar(0, "int64"), limit!, scalar(1, "int64")],
    attributes: () => ({}),
  },
});
