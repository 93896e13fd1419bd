/**
 * @file Tensors larger than what a kernel can bind, in pieces. ONNX Runtime 1.30.0 binds them in segments, which most of its
 * kernels of WebGPU see as one; those of ScatterElements fail, and those of Where and Softmax see the first segment only.
 */

import { elements } from "../graph/shape.ts";
import { scalar, type Value } from "../graph/value.ts";
import {
  And,
  Concat,
  Expand,
  GreaterOrEqual,
  LessOrEqual,
  Reshape,
  ScatterElements,
  Softmax,
  Sub,
  Where,
} from "../ops/index.ts";
import { slice } from "../ops/movement.ts";

/**
 * Rows added up into zeros [rows, width] of more than `most` elements, a piece of the rows at a time; undefined for anything
 * else. What belongs to other pieces falls into a row behind the piece's last, which is dropped.
 */
export function scatteredInPieces({ node, shape, dtype }: Value, most: number): Value | undefined {
  if (node?.op !== ScatterElements || shape.some((dim) => typeof dim !== "number") || elements(shape) <= most)
    return undefined;
  const [x, indices, updates] = node.inputs as [Value, Value, Value];
  const zero = x.node?.op === Expand && x.node.inputs[0]!.data === 0;
  if (!zero || shape.length !== 2 || (node.attrs as { axis: number }).axis !== 0) return undefined;
  const [rows, width] = shape as [number, number];
  const count = Math.ceil(elements(shape) / (most - width));
  const size = Math.ceil(rows / count);
  const pieces: Value[] = [];
  for (let start = 0; start < rows; start += size) {
    const length = Math.min(size, rows - start);
    const place = start === 0 ? indices : Sub(indices, scalar(start, "int32"));
    const inside = And(GreaterOrEqual(place, scalar(0, "int32")), LessOrEqual(place, scalar(length - 1, "int32")));
    const target = Where(inside, place, scalar(length, "int32"));
    const zeros = Expand(scalar(0, dtype), { shape: [length + 1, width] });
    pieces.push(slice(ScatterElements(zeros, target, updates, { axis: 0 }), 0, 0, length));
  }
  return pieces.length > 1 ? Concat(...pieces, { axis: 0 }) : undefined;
}

/** A Softmax of more than `most` elements, some of its rows at a time; undefined for anything else. */
export function softmaxInPieces({ node, shape }: Value, most: number): Value | undefined {
  if (node?.op !== Softmax || shape.some((dim) => typeof dim !== "number") || elements(shape) <= most) return undefined;
  const width = shape.at(-1) as number;
  const rows = elements(shape) / width;
  const length = Math.max(1, Math.floor(most / width));
  const matrix = Reshape(node.inputs[0]!, { shape: [rows, width] });
  const pieces: Value[] = [];
  for (let start = 0; start < rows; start += length)
    pieces.push(Softmax(slice(matrix, 0, start, Math.min(rows, start + length))));
  return Reshape(Concat(...pieces, { axis: 0 }), { shape });
}

/** A Where of more than `most` elements, a piece of its first axis at a time; undefined for anything else. */
export function whereInPieces({ node, shape }: Value, most: number): Value | undefined {
  if (node?.op !== Where || shape.some((dim) => typeof dim !== "number") || elements(shape) <= most) return undefined;
  const size = shape[0] as number;
  const length = Math.floor(most / (elements(shape) / size));
  const pieces: Value[] = [];
  for (let start = 0; start < size; start += length) {
    const part = (x: Value) =>
      x.shape.length === shape.length && x.shape[0] === size ? slice(x, 0, start, Math.min(size, start + length)) : x;
    const [condition, a, b] = node.inputs as [Value, Value, Value];
    pieces.push(Where(part(condition), part(a), part(b)));
  }
  return Concat(...pieces, { axis: 0 });
}
