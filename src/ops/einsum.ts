import { defineOp, type Op } from "../graph/op.ts";
import { elements } from "../graph/shape.ts";
import type { Dim, Value } from "../graph/value.ts";
import { Mul } from "./elementwise.ts";
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

/** The product of tensors of one shape and of single numbers, element by element. Has no gradient. */
export const Product: Op<[...xs: Value[]]> = defineOp("product", {
  infer: (_, ...xs) => xs.find(({ shape }) => shape.length > 0) ?? xs[0]!,
  expand: (_, ...xs) => xs.reduceRight((product, x) => Mul(x, product)),
  inFewKernels(_, ...xs) {
    const { dtype, shape } = xs.find(({ shape }) => shape.length > 0) ?? xs[0]!;
    const known = shape.every((dim) => typeof dim === "number");
    if (dtype !== "float32" || (known && elements(shape) > BOUND)) return undefined;
    const size = known ? elements(shape) : (shape as [Dim])[0];
    const flat = xs.map((x) => Reshape(x, { shape: [x.shape.length === 0 ? 1 : size] }));
    const terms = xs.map((x, i) => (x.shape.length === 0 ? String.fromCharCode(97 + i) : "z"));
    return Reshape(Einsum(...flat, { equation: `${terms}->z` }), { shape });
  },
});

/** Whether a product of several tensors of this one's shape and type is one kernel where kernels cost. */
export const isOneProduct = ({ dtype, shape }: Value): boolean =>
  dtype === "float32" && shape.every((dim) => typeof dim === "number") && elements(shape) <= BOUND;

/** Elements that every adapter binds to a kernel at once: nobody has tried an Einsum of more. */
const BOUND = 2 ** 25;
