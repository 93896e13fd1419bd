/** @file For devices on which every kernel is a launch: the same in fewer of them. */

import { apply } from "../graph/op.ts";
import { elements, sameShape } from "../graph/shape.ts";
import { scalar, type Value } from "../graph/value.ts";
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
  ScatterElements,
  Sigmoid,
  Silu,
  Sqrt,
  Sub,
  Transpose,
} from "../ops/index.ts";
import { Gemm, transposed } from "../ops/matmul.ts";
import { CONCATENATED, Split, split } from "../ops/movement.ts";
import {
  dividedByRoots,
  dotOfColumns,
  dotsOfRows,
  meanOfProducts,
  scaledAndShifted,
  sumOfRows,
  sumWithDifference,
} from "./rows.ts";
import type { Target } from "./targets.ts";

type Transposes = { transA: 0 | 1; transB: 0 | 1 };

/** What `value` is in fewer kernels, looking at nothing but what it is made of; itself where nothing is to be saved. */
export function fuseLocally(value: Value, target: Target): Value {
  const { node } = value;
  if (!node) return value;
  const [a, b] = node.inputs as [Value, Value];
  switch (node.op) {
    case Transpose:
      return (
        composed(a, (node.attrs as { perm: number[] }).perm) ??
        headsAtOnce(a, (node.attrs as { perm: number[] }).perm, target) ??
        value
      );
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
      return (
        scaledAndShifted(value, target) ??
        behindTransposition(value) ??
        sumWithDifference(value, target) ??
        addedByRows(value) ??
        value
      );
    case ReduceSum:
      return sumOfRows(value, target) ?? dotOfColumns(value, target) ?? dotsOfRows(value, target) ?? value;
    case ReduceMean: {
      const dot = meanOfProducts(value, target) ?? (isSquare(a) ? undefined : dotsOfRows(value, target));
      if (dot) return dot;
      const square = isSquare(a) ? a.node!.inputs[0]! : undefined;
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

const isSquare = ({ node }: Value) => node?.op === Mul && node.inputs[0] === node.inputs[1];

const isOne = ({ data, shape }: Value) => data === 1 && shape.length === 0;

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

/** x + what is added up by rows into zeros: added into x. */
function addedByRows({ node, shape }: Value): Value | undefined {
  for (const [x, sum] of [node!.inputs, node!.inputs.toReversed()] as [Value, Value][]) {
    if (sum.node?.op !== ScatterElements || !sameShape(x.shape, shape)) continue;
    const [zeros, ...rest] = sum.node.inputs as [Value, Value, Value];
    const isZero = zeros.node?.op === Expand && zeros.node.inputs[0]!.data === 0;
    if (isZero) return apply(ScatterElements, [x, ...rest], sum.node.attrs);
  }
  return undefined;
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

/**
 * The columns of a product with a weight, parted into heads that are then in front of their rows, as a product for each head:
 * of [rows·length, in], [rows, heads, length, size], where what is transposed is the weight.
 */
function headsAtOnce(parted: Value, perm: readonly number[], { gemmTransB }: Target): Value | undefined {
  const product = parted.node?.op === Reshape ? parted.node.inputs[0]! : undefined;
  if (gemmTransB || product?.node?.op !== MatMul || product.shape.length !== 2) return undefined;
  if (!sameShape(perm, [0, 2, 1, 3]) || parted.shape.some((dim) => typeof dim !== "number")) return undefined;
  const [rows, length, heads, size] = parted.shape as [number, number, number, number];
  const [x, factor] = product.node.inputs as [Value, Value];
  const weight = factor.node?.op === Transpose ? factor.node.inputs[0]! : factor;
  if (product.shape[0] !== rows * length || !isOfInputs(weight)) return undefined;
  const width = factor.shape[0]!;
  const ofHeads =
    weight === factor
      ? Transpose(Reshape(weight, { shape: [width, heads, size] }), { perm: [1, 0, 2] })
      : Transpose(Reshape(weight, { shape: [heads, size, width] }), { perm: [0, 2, 1] });
  return MatMul(Reshape(x, { shape: [rows, 1, length, width] }), Reshape(ofHeads, { shape: [1, heads, width, size] }));
}

/** Whether it is an input, or what is joined or multiplied of inputs. */
const isOfInputs = ({ name, node }: Value): boolean =>
  name !== undefined || ((node?.op === Concat || node?.op === Mul) && node.inputs.every(isOfInputs));

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
