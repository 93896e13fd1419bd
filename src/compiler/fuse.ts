/** @file For devices on which every kernel is a launch: the same in fewer of them. */

import { apply } from "../graph/op.ts";
import { elements, sameShape } from "../graph/shape.ts";
import { scalar, type Value } from "../graph/value.ts";
import { Einsum } from "../ops/einsum.ts";
import {
  Add,
  Cast,
  Concat,
  Expand,
  MatMul,
  Mul,
  Neg,
  Part,
  Pow,
  Reciprocal,
  ReduceMean,
  ReduceSum,
  ReduceSumSquare,
  Reshape,
  Sigmoid,
  Silu,
  Sqrt,
  Sub,
  Transpose,
} from "../ops/index.ts";
import { Gemm, transposed } from "../ops/matmul.ts";
import { CONCATENATED, Split, split } from "../ops/movement.ts";
import { BatchNormalization } from "../ops/normalization.ts";
import type { Target } from "./targets.ts";

type Transposes = { transA: 0 | 1; transB: 0 | 1 };

/** What `value` is in fewer kernels, looking at nothing but what it is made of; itself where nothing is to be saved. */
export function fuseLocally(value: Value, target: Target): Value {
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
    case Cast: // what was narrowed
      return a.node?.op === Cast &&
        a.dtype === "float16" &&
        value.dtype === "float32" &&
        a.node.inputs[0]!.dtype === "float32"
        ? a.node.inputs[0]!
        : value;
    case Concat:
      return node.inputs.length === 1 ? a : (joinedAtOnce(value) ?? behindTransposition(value) ?? value);
    case Part:
      return whatWasJoined(value) ?? value;
    case Mul:
      if (isOne(b) && sameShape(a.shape, value.shape)) return a;
      if (b.node?.op === Pow) return dividedByRoots(value, target) ?? value;
      return b.node?.op === Sigmoid && b.node.inputs[0] === a && target.has(Silu, a.dtype) ? Silu(a) : value;
    case Add:
      if (b.node?.op === Neg) return Sub(a, b.node.inputs[0]!);
      if (a.node?.op === Neg) return Sub(b, a.node.inputs[0]!);
      return scaledAndShifted(value, target) ?? behindTransposition(value) ?? value;
    case ReduceSum:
      return sumOfRows(value, target) ?? dotOfColumns(value, target) ?? dotsOfRows(value, target) ?? value;
    case ReduceMean: {
      const dot = meanOfProducts(value, target);
      if (dot) return dot;
      const square = a.node?.op === Mul && a.node.inputs[0] === a.node.inputs[1] ? a.node.inputs[0]! : undefined;
      const { axes } = node.attrs as { axes: number[] };
      if (!square || axes.some((axis) => typeof square.shape[axis] !== "number")) return value;
      const count = elements(axes.map((axis) => square.shape[axis]!));
      return Mul(ReduceSumSquare(square, { axes }), scalar(1 / count, square.dtype));
    }
    case Reciprocal:
      return a.node?.op === Sqrt ? Pow(a.node.inputs[0]!, scalar(-0.5, a.dtype)) : value;
    case MatMul:
      return productOfSmaller(a, b, target) ?? value;
    default:
      return value;
  }
}

const isOne = ({ data, shape }: Value) => data === 1 && shape.length === 0;

/** Σ over the rows of a matrix as a product, for which nothing is transposed. */
function sumOfRows({ node, dtype }: Value, { sumsByProducts }: Target): Value | undefined {
  const [x] = node!.inputs as [Value];
  const { axes } = node!.attrs as { axes: number[] };
  const [rows] = x.shape;
  const fits = x.shape.length === 2 && axes.length === 1 && axes[0] === 0 && typeof rows === "number";
  if (!fits || !sumsByProducts?.includes(dtype)) return undefined;
  return MatMul({ data: 1, dtype, shape: [1, rows] }, x);
}

/** Σ over short rows of the products of two tensors, a thread for each. */
function dotsOfRows({ node, shape, dtype }: Value, target: Target): Value | undefined {
  const [product] = node!.inputs as [Value];
  const { axes } = node!.attrs as { axes: number[] };
  const [a, b] = product.node?.op === Mul ? (product.node.inputs as [Value, Value]) : [];
  const width = product.shape.at(-1);
  const known = a && b && sameShape(a.shape, b.shape) && a.shape.every((dim) => typeof dim === "number");
  if (!known || axes.length !== 1 || axes[0] !== shape.length - 1 || (width as number) > SHORT) return undefined;
  if (elements(product.shape) > (target.binds ?? Number.POSITIVE_INFINITY)) return undefined;
  if (!target.sumsByProducts?.includes(dtype) || !target.has(Einsum, dtype)) return undefined;
  const rows = [a, b].map((x) => Reshape(x, { shape: [elements(shape), width!] }));
  return Reshape(Einsum(...rows, { equation: "ij,ij->i" }), { shape });
}

/** Elements that a thread sums faster than they are multiplied and summed in two kernels. */
const SHORT = 256;

/** Σ of the products of the elements of two columns, one of them negative or not, as a product. */
function dotOfColumns({ node, dtype }: Value, { sumsByProducts }: Target): Value | undefined {
  const [product] = node!.inputs as [Value];
  const { axes } = node!.attrs as { axes: number[] };
  const [a, b] = product.node?.op === Mul ? (product.node.inputs as [Value, Value]) : [];
  if (!a || !b || !sumsByProducts?.includes(dtype) || axes.length !== 2) return undefined;
  if (a.shape.length !== 2 || a.shape[1] !== 1 || !sameShape(a.shape, b.shape)) return undefined;
  const negative = a.node?.op === Neg;
  const attrs = { transA: 1, transB: 0, ...(negative ? { alpha: { float: -1 } } : {}) };
  return apply(Gemm, [negative ? a.node!.inputs[0]! : a, b], attrs);
}

/** The mean over the columns of a matrix, each times an element of a vector, as a product. */
function meanOfProducts({ node, dtype }: Value, { sumsByProducts }: Target): Value | undefined {
  const [product] = node!.inputs as [Value];
  const { axes } = node!.attrs as { axes: number[] };
  const [x, vector] = product.node?.op === Mul ? (product.node.inputs as [Value, Value]) : [];
  if (!x || !vector || !sumsByProducts?.includes(dtype) || axes.length !== 1 || axes[0] !== 1) return undefined;
  const [width] = vector.shape;
  if (x.shape.length !== 2 || vector.shape.length !== 1 || typeof width !== "number" || x.shape[1] !== width)
    return undefined;
  return apply(Gemm, [x, Reshape(vector, { shape: [width, 1] })], {
    transA: 0,
    transB: 0,
    alpha: { float: 1 / width },
  });
}

/** Scaled and shifted by constants: of a column in one kernel, as a product with 1. */
function scaledAndShifted({ node, dtype }: Value, { sumsByProducts }: Target): Value | undefined {
  const [x, shift] = node!.inputs as [Value, Value];
  const [column, scale] = x.node?.op === Mul ? (x.node.inputs as [Value, Value]) : [];
  const numbers = typeof shift.data === "number" && typeof scale?.data === "number" && shift.shape.length === 0;
  if (!numbers || !sumsByProducts?.includes(dtype) || column!.shape.length !== 2 || column!.shape[1] !== 1)
    return undefined;
  const one: Value = { data: 1, dtype, shape: [1, 1] };
  const alpha = { float: scale.data as number };
  return apply(Gemm, [column!, one, { ...shift, shape: [1] }], { transA: 0, transB: 0, alpha });
}

/** What is joined of what is joined, as one. */
function joinedAtOnce({ node }: Value): Value | undefined {
  const { axis } = node!.attrs as { axis: number };
  const isJoined = (x: Value) => x.node?.op === Concat && (x.node.attrs as { axis: number }).axis === axis;
  const inputs = node!.inputs.flatMap((x) => (isJoined(x) ? x.node!.inputs : [x]));
  return inputs.length > node!.inputs.length && inputs.length <= CONCATENATED
    ? apply(Concat, inputs, node!.attrs)
    : undefined;
}

/** A piece of what was joined, as one of what it was joined of, or a piece of one. */
function whatWasJoined({ node }: Value): Value | undefined {
  const pieces = node!.inputs[0]!.node!;
  const joined = pieces.op === Split ? pieces.inputs[0]!.node : undefined;
  if (joined?.op !== Concat) return undefined;
  const { axis, sizes } = pieces.attrs as { axis: number; sizes: readonly number[] };
  if ((joined.attrs as { axis: number }).axis !== axis) return undefined;
  const { index } = node!.attrs as { index: number };
  let next = 0; // of the pieces that are not found yet
  for (const x of joined.inputs) {
    const first = next;
    let rest = x.shape[axis] as number;
    while (rest > 0) rest -= sizes[next++] ?? Number.NaN;
    if (rest !== 0) return undefined;
    if (index < next) return split(x, axis, sizes.slice(first, next))[index - first];
  }
  return undefined;
}

/** What joins or adds transpositions, alike, of tensors as one transposition of what joins or adds those. */
function behindTransposition({ node, shape }: Value): Value | undefined {
  const { op, inputs, attrs } = node!;
  const first = inputs.find((x) => x.node?.op === Transpose);
  if (!first || (op === Add && inputs.some((x) => !sameShape(x.shape, shape)))) return undefined;
  const { perm } = first.node!.attrs as { perm: number[] };
  const before = inputs.map((x): Value | undefined => {
    if (x.node?.op === Transpose)
      return sameShape((x.node.attrs as { perm: number[] }).perm, perm) ? x.node.inputs[0]! : undefined;
    const filled = x.node?.op === Expand && x.node.inputs[0]!.shape.length === 0;
    return filled ? Expand(x.node!.inputs[0]!, { shape: perm.map((_, i) => x.shape[perm.indexOf(i)]!) }) : undefined;
  });
  if (before.some((x) => !x)) return undefined;
  const axis = (attrs as { axis?: number }).axis;
  return Transpose(apply(op, before as Value[], axis === undefined ? attrs : { ...attrs, axis: perm[axis]! }), {
    perm,
  });
}

/** Rows of x, each over the root of its number or of what a Gemm makes of it, in one kernel. */
function dividedByRoots({ node, shape, dtype }: Value, target: Target): Value | undefined {
  const [x, root] = node!.inputs as [Value, Value];
  const [square, power] = root.node!.inputs as [Value, Value];
  const known = sameShape(x.shape, shape) && shape.every((dim) => typeof dim === "number");
  const width = shape.at(-1) as number;
  const rows = known ? elements(shape) / width : 0;
  const bound = known && elements(shape) <= (target.binds ?? Number.POSITIVE_INFINITY);
  const fits = bound && power.data === -0.5 && square.shape.at(-1) === 1 && elements(square.shape) === rows;
  if (!fits || !target.sumsByProducts?.includes(dtype) || !target.has(BatchNormalization, dtype)) return undefined;
  const { column, scale, shift } = scaled(square) ?? { column: square, scale: 1, shift: 0 };
  const each = (data: number): Value => ({ data, dtype, shape: [rows] });
  const y = BatchNormalization(
    Reshape(x, { shape: [1, rows, width] }),
    ...([each(scale ** -0.5), each(0), each(0)] as const),
    Reshape(column, { shape: [rows] }),
    { epsilon: shift / scale },
  );
  return Reshape(y, { shape });
}

/** The numbers by which `scaledAndShifted` has a column scaled and shifted. */
function scaled({ node }: Value): { column: Value; scale: number; shift: number } | undefined {
  if (node?.op !== Gemm || node.inputs.length !== 3) return undefined;
  const [column, one, shift] = node.inputs as [Value, Value, Value];
  const { alpha } = node.attrs as { alpha?: { float: number } };
  const made = one.data === 1 && one.shape.length === 2 && typeof shift.data === "number" && alpha && alpha.float > 0;
  return made && column.shape[1] === 1 ? { column, scale: alpha.float, shift: shift.data as number } : undefined;
}

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
    return apply(Gemm, [b, a], { ...node.attrs, transA: transB ? 0 : 1, transB: transA ? 0 : 1 });
  }
  return undefined;
}

/** A'B as (B'A)' where B is the smaller to transpose; the outer transposition often meets another. */
function productOfSmaller(a: Value, b: Value, target: Target): Value | undefined {
  if (a.node?.op !== Transpose || a.shape.length < 3) return undefined;
  const x = a.node.inputs[0]!;
  const known = [...a.shape, ...b.shape].every((dim) => typeof dim === "number");
  const swaps = sameShape(transposed(a).shape, x.shape) && isSwap((a.node.attrs as { perm: number[] }).perm);
  if (!known || !swaps || elements(b.shape) >= elements(a.shape)) return undefined;
  return transposed(MatMul(fuseLocally(transposed(b), target), x));
}

/** Whether a transposition swaps the last two axes and nothing else. */
export const isSwap = (perm: readonly number[]) => {
  const n = perm.length;
  return perm.every((axis, i) => axis === (i === n - 1 ? n - 2 : i === n - 2 ? n - 1 : i));
};
