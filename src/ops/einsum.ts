import { defineOp, type Op } from "../graph/op.ts";
import { elements } from "../graph/shape.ts";
import type { Dim, Value } from "../graph/value.ts";
import { Reshape } from "./movement.ts";

/** Sums of products by their indices, "i,i->i": ONNX Runtime's WebGPU has it in one kernel of float32, of a thread for each sum. */
export const Einsum: Op<[...xs: Value[], attrs: { equation: string }]> = defineOp("Einsum", {
  infer({ equation }, ...xs) {
    const [left, right] = equation.split("->") as [string, string];
    const sizes = new Map<string, Dim>();
    for (const [i, term] of left.split(",").entries())
      for (const [axis, index] of [...term].entries()) sizes.set(index, xs[i]!.shape[axis]!);
    return { dtype: xs[0]!.dtype, shape: [...right].map((index) => sizes.get(index)!) };
  },
  spelling: { kernels: { cpu: ["float32", "float64"], cuda: [], portable: [] } },
});

/** The product of three or more tensors of one known shape, element by element, in one kernel. */
export function productOfAll(...xs: readonly Value[]): Value {
  const { shape } = xs[0]!;
  const flat = xs.map((x) => Reshape(x, { shape: [elements(shape)] }));
  return Reshape(Einsum(...flat, { equation: `${xs.map(() => "i").join()}->i` }), { shape });
}
