/** @file For devices on which every kernel is a launch: the same in fewer of them. */

import { apply } from "../graph/op.ts";
import { elements, sameShape } from "../graph/shape.ts";
import { scalar, type Value } from "../graph/value.ts";
import {
  Add,
  Concat,
  MatMul,
  Mul,
  Neg,
  Pow,
  Reciprocal,
  ReduceMean,
  ReduceSumSquare,
  Reshape,
  Sqrt,
  Sub,
  Transpose,
} from "../ops/index.ts";
import { Gemm, transposed } from "../ops/matmul.ts";

type Transposes = { transA: 0 | 1; transB: 0 | 1 };

/** What `value` is in fewer kernels, looking at nothing but what it is made of; itself where nothing is to be saved. */
export function fuseLocally(value: Value): Value {
  const { node } = value;
  if (!node) return value;
  const [a, b] = node.inputs as [Value, Value];
  switch (node.op) {
    case Transpose:
      return composed(a, (node.attrs as { perm: number[] }).perm) ?? value;
    case Reshape: {
      const from = a.node?.op === Reshape ? a.node.inputs[0]! : a;
      const known = [...from.shape, ...value.shape].every((dim) => typeof dim === "number");
      if (known && sameShape(from.shape, value.shape)) return from;
      return known && from !== a ? Reshape(from, { shape: value.shape }) : value;
    }
    case Concat:
      return node.inputs.length === 1 ? a : value;
    case Mul:
      return isOne(b) && sameShape(a.shape, value.shape) ? a : value;
    case Add:
      return b.node?.op === Neg ? Sub(a, b.node.inputs[0]!) : a.node?.op === Neg ? Sub(b, a.node.inputs[0]!) : value;
    case ReduceMean: {
      const square = a.node?.op === Mul && a.node.inputs[0] === a.node.inputs[1] ? a.node.inputs[0]! : undefined;
      const { axes } = node.attrs as { axes: number[] };
      if (!square || axes.some((axis) => typeof square.shape[axis] !== "number")) return value;
      const count = elements(axes.map((axis) => square.shape[axis]!));
      return Mul(ReduceSumSquare(square, { axes }), scalar(1 / count, square.dtype));
    }
    case Reciprocal:
      return a.node?.op === Sqrt ? Pow(a.node.inputs[0]!, scalar(-0.5, a.dtype)) : value;
    case MatMul:
      return productOfSmaller(a, b) ?? value;
    default:
      return value;
  }
}

const isOne = ({ data, shape }: Value) => data === 1 && shape.length === 0;

/** Two transpositions as one, or none; a transposed product of matrices as a product of other matrices. */
function composed({ node }: Value, perm: readonly number[]): Value | undefined {
  if (node?.op === Transpose) {
    const inner = (node.attrs as { perm: number[] }).perm;
    const both = perm.map((axis) => inner[axis]!);
    const [x] = node.inputs as [Value];
    return both.every((axis, i) => axis === i) ? x : Transpose(x, { perm: both });
  }
  // (A B)' = B' A'
  if (node?.op === Gemm && node.inputs.length === 2 && perm[0] === 1) {
    const [a, b] = node.inputs as [Value, Value];
    const { transA, transB } = node.attrs as Transposes;
    return apply(Gemm, [b, a], { transA: transB ? 0 : 1, transB: transA ? 0 : 1 });
  }
  return undefined;
}

/** A'B as (B'A)' where B is the smaller to transpose; the outer transposition often meets another. */
function productOfSmaller(a: Value, b: Value): Value | undefined {
  if (a.node?.op !== Transpose || a.shape.length < 3) return undefined;
  const x = a.node.inputs[0]!;
  const known = [...a.shape, ...b.shape].every((dim) => typeof dim === "number");
  const swaps = sameShape(transposed(a).shape, x.shape) && isSwap((a.node.attrs as { perm: number[] }).perm);
  if (!known || !swaps || elements(b.shape) >= elements(a.shape)) return undefined;
  return transposed(MatMul(fuseLocally(transposed(b)), x));
}

/** Whether a transposition swaps the last two axes and nothing else. */
export const isSwap = (perm: readonly number[]) => {
  const n = perm.length;
  return perm.every((axis, i) => axis === (i === n - 1 ? n - 2 : i === n - 2 ? n - 1 : i));
};
