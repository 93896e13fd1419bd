/** @file ggml's tensor types: how many bytes they take, and weights to and from those that we read and write. */

import { convert, fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "./float16.ts";
import { decodeBlock } from "./ggml-blocks.ts";
import {
  type Encode,
  type EncodeWeighted,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  weightedQ4_0,
  weightedQ4_1,
  weightedQ5_0,
  weightedQ5_1,
} from "./ggml-encoders.ts";
import { q4_K, q5_K, q6_K, weightedQ4_K, weightedQ5_K, weightedQ6_K } from "./ggml-k-quants.ts";

/** Each type's number in a file, the elements of a block and its bytes. */
export const GGML_TYPES = {
  F32: [0, 1, 4],
  F16: [1, 1, 2],
  Q4_0: [2, 32, 18],
  Q4_1: [3, 32, 20],
  Q5_0: [6, 32, 22],
  Q5_1: [7, 32, 24],
  Q8_0: [8, 32, 34],
  Q8_1: [9, 32, 36],
  Q2_K: [10, 256, 84],
  Q3_K: [11, 256, 110],
  Q4_K: [12, 256, 144],
  Q5_K: [13, 256, 176],
  Q6_K: [14, 256, 210],
  Q8_K: [15, 256, 292],
  IQ2_XXS: [16, 256, 66],
  IQ2_XS: [17, 256, 74],
  IQ3_XXS: [18, 256, 98],
  IQ1_S: [19, 256, 50],
  IQ4_NL: [20, 32, 18],
  IQ3_S: [21, 256, 110],
  IQ2_S: [22, 256, 82],
  IQ4_XS: [23, 256, 136],
  I8: [24, 1, 1],
  I16: [25, 1, 2],
  I32: [26, 1, 4],
  I64: [27, 1, 8],
  F64: [28, 1, 8],
  IQ1_M: [29, 256, 56],
  BF16: [30, 1, 2],
  TQ1_0: [34, 256, 54],
  TQ2_0: [35, 256, 66],
  MXFP4: [39, 32, 17],
  NVFP4: [40, 64, 36],
  Q1_0: [41, 128, 18],
  Q2_0: [42, 64, 18],
} as const satisfies Record<string, readonly [number, number, number]>;

export type GgmlType = keyof typeof GGML_TYPES;

/** Types that weights can be written as. */
export const ENCODED_TYPES = [
  "F32",
  "F16",
  "BF16",
  "Q8_0",
  "Q6_K",
  "Q5_K",
  "Q5_1",
  "Q5_0",
  "Q4_K",
  "Q4_1",
  "Q4_0",
] as const;
export type EncodedType = (typeof ENCODED_TYPES)[number];

/** The elements that a block holds: a row must be a multiple of it. */
export const blockSize = (type: GgmlType): number => GGML_TYPES[type][1];

/** The bytes of `elements` elements, a multiple of the block. */
export function ggmlBytes(type: GgmlType, elements: number): number {
  const [, block, bytes] = GGML_TYPES[type];
  return (elements / block) * bytes;
}

/**
 * Weights as bytes; quantised types round as ggml's reference does. The number of values is a multiple of the block. Where
 * `importance` is given, one number for each column of a row, the types that `isWeighted` names let errors count by it.
 */
export function encodeGgml(type: EncodedType, values: Float32Array, importance?: Float32Array): Uint8Array {
  if (type === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (type === "F16") return halves(values, toFloat16);
  if (type === "BF16") return halves(values, toBfloat16);
  const [, block, size] = GGML_TYPES[type];
  const bytes = new Uint8Array(ggmlBytes(type, values.length));
  const weighted = importance && WEIGHTED[type];
  if (weighted) {
    const width = importance.length;
    for (let row = 0, at = 0; row < values.length; row += width) {
      const spread = meanSquare(values.subarray(row, row + width));
      for (let i = 0; i < width; i += block, at += size) weighted(values, row + i, bytes, at, importance, i, spread);
    }
    return bytes;
  }
  const encode = ENCODERS[type];
  for (let i = 0, at = 0; i < values.length; i += block, at += size) encode(values, i, bytes, at);
  return bytes;
}

/** The mean of x², each sum rounded to single precision. */
function meanSquare(values: Float32Array): number {
  const { fround } = Math;
  let sum = 0;
  for (const x of values) sum = fround(sum + fround(x * x));
  return fround(sum / values.length);
}

/** Whether an importance matrix makes a difference to blocks of a type. */
export const isWeighted = (type: GgmlType): boolean => type in WEIGHTED;

const WEIGHTED: Partial<Record<GgmlType, EncodeWeighted>> = {
  Q6_K: weightedQ6_K,
  Q5_K: weightedQ5_K,
  Q5_1: weightedQ5_1,
  Q5_0: weightedQ5_0,
  Q4_K: weightedQ4_K,
  Q4_1: weightedQ4_1,
  Q4_0: weightedQ4_0,
};

const ENCODERS: Record<Exclude<EncodedType, "F32" | "F16" | "BF16">, Encode> = {
  Q8_0: q8_0,
  Q6_K: q6_K,
  Q5_K: q5_K,
  Q5_1: q5_1,
  Q5_0: q5_0,
  Q4_K: q4_K,
  Q4_1: q4_1,
  Q4_0: q4_0,
};

const halves = (values: Float32Array, narrow: (x: number) => number) =>
  new Uint8Array(convert(values, new Uint16Array(values.length), narrow).buffer);

/** Whether weights of a type can be read. */
export const isDecoded = (type: GgmlType): boolean => type in SCALARS || type in decodeBlock;

/** The weights that bytes of a type stand for, or undefined where that type is not read. */
export function decodeGgml(type: GgmlType, bytes: Uint8Array, elements: number): Float32Array | undefined {
  const values = new Float32Array(elements);
  const scalar = SCALARS[type];
  const [, block, size] = GGML_TYPES[type];
  if (scalar) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < elements; i++) values[i] = scalar(view, i * size);
    return values;
  }
  const decode = decodeBlock[type];
  if (!decode) return undefined;
  for (let i = 0, at = 0; i < elements; i += block, at += size) decode(bytes.subarray(at, at + size), values, i);
  return values;
}

const SCALARS: Partial<Record<GgmlType, (view: DataView, at: number) => number>> = {
  F32: (view, at) => view.getFloat32(at, true),
  F16: (view, at) => fromFloat16(view.getUint16(at, true)),
  BF16: (view, at) => fromBfloat16(view.getUint16(at, true)),
};
