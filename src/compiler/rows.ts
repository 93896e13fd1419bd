/** @file Sums over rows and columns, and what is made of them, in fewer kernels: as products, by a thread for each, as one of ONNX's. */

import { apply } from "../graph/op.ts";
import { elements, sameShape } from "../graph/shape.ts";
import { scalar, type Value } from "../graph/value.ts";
import { Einsum } from "../ops/einsum.ts";
import { Expand, MatMul, Mul, Neg, ReduceMean, Reshape, Sub } from "../ops/index.ts";
import { Gemm } from "../ops/matmul.ts";
import { BatchNormalization } from "../ops/normalization.ts";
import type { Target } from "./targets.ts";

/** Σ over the rows of a matrix as a product, for which nothing is transposed. */
export function sumOfRows({ node, dtype }: Value, { sumsByProducts }: Target): Value | undefined {
  const [x] = node!.inputs as [Value];
  const { axes } = node!.attrs as { axes: number[] };
  const [rows] = x.shape;
  const fits = x.shape.length === 2 && axes.length === 1 && axes[0] === 0 && typeof rows === "number";
  if (!fits || !sumsByProducts?.includes(dtype)) return undefined;
  return MatMul({ data: 1, dtype, shape: [1, rows] }, x);
}

/** Σ over short rows of the products of two tensors, or their mean, a thread for each. */
export function dotsOfRows({ node, shape, dtype }: Value, target: Target): Value | undefined {
  const [product] = node!.inputs as [Value];
  const isMean = node!.op === ReduceMean;
  const { axes } = node!.attrs as { axes: number[] };
  const [a, b] = product.node?.op === Mul ? (product.node.inputs as [Value, Value]) : [];
  const width = product.shape.at(-1);
  const known = a && b && sameShape(a.shape, b.shape) && a.shape.every((dim) => typeof dim === "number");
  if (!known || axes.length !== 1 || axes[0] !== shape.length - 1 || (width as number) > (isMean ? WIDTH : SHORT))
    return undefined;
  if (elements(product.shape) > (target.binds ?? Number.POSITIVE_INFINITY)) return undefined;
  if (!target.sumsByProducts?.includes(dtype) || !target.has(Einsum, dtype)) return undefined;
  const rows = [a, b].map((x) => Reshape(x, { shape: [elements(shape), width!] }));
  const share: Value = { data: 1 / (width as number), dtype, shape: [1] };
  const sums = isMean ? Einsum(...rows, share, { equation: "ij,ij,k->i" }) : Einsum(...rows, { equation: "ij,ij->i" });
  return Reshape(sums, { shape });
}

/** Elements that a thread sums faster than they are multiplied and summed in two kernels. */
const SHORT = 256;

/** The same of rows of a model's width, which are few. */
const WIDTH = 1024;

/** Σ of the products of the elements of two columns, one of them negative or not, as a product. */
export function dotOfColumns({ node, dtype }: Value, { sumsByProducts }: Target): Value | undefined {
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
export function meanOfProducts({ node, dtype }: Value, { sumsByProducts }: Target): Value | undefined {
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
export function scaledAndShifted({ node, dtype }: Value, { sumsByProducts }: Target): Value | undefined {
  const [x, shift] = node!.inputs as [Value, Value];
  const [column, scale] = x.node?.op === Mul ? (x.node.inputs as [Value, Value]) : [];
  const numbers = typeof shift.data === "number" && typeof scale?.data === "number" && shift.shape.length === 0;
  if (!numbers || !sumsByProducts?.includes(dtype) || column!.shape.length !== 2 || column!.shape[1] !== 1)
    return undefined;
  const one: Value = { data: 1, dtype, shape: [1, 1] };
  const alpha = { float: scale.data as number };
  return apply(Gemm, [column!, one, { ...shift, shape: [1] }], { transA: 0, transB: 0, alpha });
}

/** Rows of x, each over the root of its number or of what a Gemm makes of it, in one kernel. */
export function dividedByRoots({ node, shape, dtype }: Value, target: Target): Value | undefined {
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

/** a + s (b - c), or a + (b - c), of large tensors of one shape in one kernel: normalised with four numbers for each element. */
export function sumWithDifference({ node, shape, dtype }: Value, target: Target): Value | undefined {
  const [a, other] = node!.inputs as [Value, Value];
  const [s, difference] = other.node?.op === Mul ? (other.node.inputs as [Value, Value]) : [undefined, other];
  const [b, c] = difference.node?.op === Sub ? (difference.node.inputs as [Value, Value]) : [];
  const known = b && c && [a, b, c, s ?? a].every((x) => sameShape(x.shape, shape)) && shape.length > 1;
  if (!known || shape.some((dim) => typeof dim !== "number")) return undefined;
  const size = elements(shape);
  const fits = size <= (target.binds ?? Number.POSITIVE_INFINITY) && target.has(BatchNormalization, dtype);
  if (!fits || !target.sumsByProducts?.includes(dtype)) return undefined;
  const one = Expand(scalar(1, dtype), { shape: [size] });
  const [scale, shift, mean] = [s, a, c].map((x) => (x ? Reshape(x, { shape: [size] }) : one)) as [Value, Value, Value];
  const y = BatchNormalization(Reshape(b, { shape: [1, size, 1] }), scale, shift, mean, one, { epsilon: 0 });
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
