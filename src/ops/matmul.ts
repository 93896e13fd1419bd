import { ShapeError } from "../core/errors.ts";
import { type Binary, defineOp, type Op } from "../graph/op.ts";
import { broadcast } from "../graph/shape.ts";
import type { Value } from "../graph/value.ts";
import { Transpose } from "./movement.ts";

export const MatMul: Binary = defineOp("MatMul", {
  infer(_, a, b) {
    if (a.shape.length < 2 || b.shape.length < 2 || a.shape.at(-1) !== b.shape.at(-2) || a.dtype !== b.dtype)
      throw new ShapeError(`MatMul: cannot multiply ${a.dtype} [${a.shape}] by ${b.dtype} [${b.shape}].`);
    const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
    return { dtype: a.dtype, shape: [...batch, a.shape.at(-2)!, b.shape.at(-1)!] };
  },
  cost: "product",
  // Y = A B, so dA = dY B' and dB = A' dY
  gradient: ({ dy }, a, b) => [MatMul(dy, transposed(b)), MatMul(transposed(a), dy)],
});

/** Swap the last two axes. */
export function transposed(x: Value): Value {
  const axes = x.shape.map((_, i) => i);
  return Transpose(x, { perm: [...axes.slice(0, -2), axes.length - 1, axes.length - 2] });
}

type Transposes = { transA: 0 | 1; transB: 0 | 1 };

/** With transBatchB, B is [rows, ...stacks, columns] and becomes [...stacks, rows, columns] first. */
type StackTransposes = Transposes & { transBatchB?: 1 };

const product = ({ transA, transB, transBatchB }: StackTransposes, a: Value, b: Value): Value => {
  const stacks = transBatchB ? Transpose(b, { perm: rowsBehindStacks(b.shape.length) }) : b;
  return MatMul(transA ? transposed(a) : a, transB ? transposed(stacks) : stacks);
};

/** [rows, ...stacks, columns] → [...stacks, rows, columns] */
export const rowsBehindStacks = (rank: number): number[] => [
  ...Array.from({ length: rank - 2 }, (_, i) => i + 1),
  0,
  rank - 1,
];

/** alpha A B + C of matrices, either transposed: what emission makes of MatMul, Transpose and Add. */
export const Gemm: Op<[a: Value, b: Value, ...c: Value[], attrs: Transposes & { alpha?: { float: number } }]> =
  defineOp("Gemm", {
    infer: (attrs, a, b) => product(attrs, a, b),
    cost: "product",
  });

/** A B of stacks of matrices, either transposed: what emission makes of MatMul and Transpose on the CPU provider. */
export const FusedMatMul: Op<[a: Value, b: Value, attrs: StackTransposes]> = defineOp("FusedMatMul", {
  infer: (attrs, a, b) => product(attrs, a, b),
  cost: "product",
  spelling: { domain: "com.microsoft", kernels: { cpu: ["float32"], webgpu: [], portable: [] } },
});
