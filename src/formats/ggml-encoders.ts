/** @file ggml's blocks of 32, encoded as its reference does: every step in single precision, so that bytes are the same. */

import { toFloat16 } from "./float16.ts";
import { fitAffine, fitSymmetric, found, type Search, weights } from "./ggml-fits.ts";

/** Write the block of the values of `x` from index `from` into `b` at byte `at`. */
export type Encode = (x: Float32Array, from: number, b: Uint8Array, at: number) => void;

/**
 * The same where columns count for more or less: `importance` is that of each column of the row, `column` that of the first
 * value, and `spread` the mean of x² over the row.
 */
export type EncodeWeighted = (
  x: Float32Array,
  from: number,
  b: Uint8Array,
  at: number,
  importance: Float32Array,
  column: number,
  spread: number,
) => void;

const { fround } = Math;

export function putHalf(b: Uint8Array, at: number, x: number): void {
  const half = toFloat16(x);
  b[at] = half & 0xff;
  b[at + 1] = half >> 8;
}

/** 1 / d, or 0 where a block is all zeros. */
const inverseOf = (d: number): number => (d ? fround(1 / d) : 0);

/** The x of largest |x| among 32. */
function furthest(x: Float32Array, from: number): number {
  let largest = 0;
  for (let i = from; i < from + 32; i++) if (Math.abs(x[i]!) > Math.abs(largest)) largest = x[i]!;
  return largest;
}

/** d = max |x| / 127 as a half, then 32 × round(x / d), halves away from zero. */
export const q8_0: Encode = (x, from, b, at) => {
  const d = fround(Math.abs(furthest(x, from)) / 127);
  const inverse = inverseOf(d);
  putHalf(b, at, d);
  for (let i = 0; i < 32; i++) {
    const scaled = fround(x[from + i]! * inverse);
    b[at + 2 + i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
  }
};

/** d = (the x of largest |x|) / -8 as a half, then x / d + 8 in four bits: the first 16 low, the last 16 high. */
export const q4_0: Encode = (x, from, b, at) => {
  const d = fround(furthest(x, from) / -8);
  const inverse = inverseOf(d);
  putHalf(b, at, d);
  putFourBits(b, at + 2, (i) => Math.min(15, Math.trunc(fround(fround(x[from + i]! * inverse) + 8.5))));
};

/** 32 values of four bits: the first 16 low, the last 16 high. */
function putFourBits(b: Uint8Array, at: number, quantised: (i: number) => number): void {
  for (let i = 0; i < 16; i++) b[at + i] = quantised(i) | (quantised(i + 16) << 4);
}

/** The fifth bits of 32 values in four bytes, and their four low ones as q4_0 has them. */
function putFiveBits(b: Uint8Array, at: number, quantised: (i: number) => number): void {
  b.fill(0, at, at + 4);
  for (let i = 0; i < 16; i++) {
    const [low, high] = [quantised(i), quantised(i + 16)];
    b[at + (i >> 3)]! |= (low >> 4) << (i & 7);
    b[at + 2 + (i >> 3)]! |= (high >> 4) << (i & 7);
    b[at + 4 + i] = (low & 15) | ((high & 15) << 4);
  }
}

/** d = (the x of largest |x|) / -16 as a half, then x / d + 16 in five bits. */
export const q5_0: Encode = (x, from, b, at) => {
  const d = fround(furthest(x, from) / -16);
  const inverse = inverseOf(d);
  putHalf(b, at, d);
  putFiveBits(b, at + 2, (i) => Math.min(31, Math.trunc(fround(fround(x[from + i]! * inverse) + 16.5))));
};

/** d = (max - min) / `most` and m = min as halves; what gives the code of value i, (x - m) / d. */
function ranged(x: Float32Array, from: number, b: Uint8Array, at: number, most: number): (i: number) => number {
  let [min, max] = [x[from]!, x[from]!];
  for (let i = from; i < from + 32; i++) {
    if (x[i]! < min) min = x[i]!; // the first of equal ones: 0 or -0
    if (x[i]! > max) max = x[i]!;
  }
  const d = fround(fround(max - min) / most);
  const inverse = inverseOf(d);
  putHalf(b, at, d);
  putHalf(b, at + 2, min);
  return (i) => Math.min(most, Math.trunc(fround(fround(fround(x[from + i]! - min) * inverse) + 0.5)));
}

export const q4_1: Encode = (x, from, b, at) => putFourBits(b, at + 4, ranged(x, from, b, at, 15));
export const q5_1: Encode = (x, from, b, at) => putFiveBits(b, at + 4, ranged(x, from, b, at, 31));

const codes = new Uint8Array(32);
const code = (i: number): number => codes[i]!;

/** A value counts for the importance of its column times √(x̄² + x²). */
function weigh(x: Float32Array, from: number, importance: Float32Array, column: number, spread: number): void {
  for (let i = 0; i < 32; i++) {
    const value = x[from + i]!;
    weights[i] = fround(importance[column + i]! * fround(Math.sqrt(fround(spread + fround(value * value)))));
  }
}

const symmetric =
  (most: number, put: typeof putFourBits): EncodeWeighted =>
  (x, from, b, at, importance, column, spread) => {
    weigh(x, from, importance, column, spread);
    putHalf(b, at, fitSymmetric(x, from, codes, 0, { count: 32, most }, weights));
    put(b, at + 2, code);
  };

export const weightedQ4_0 = symmetric(8, putFourBits);
export const weightedQ5_0 = symmetric(16, putFiveBits);

const affine = (most: number, put: typeof putFourBits): EncodeWeighted => {
  const search: Search = { most, first: fround(-0.9), step: fround(0.05), steps: 36 };
  return (x, from, b, at, importance, column, spread) => {
    weigh(x, from, importance, column, spread);
    fitAffine(x, from, codes, 0, search);
    putHalf(b, at, found.scale);
    putHalf(b, at + 2, -found.min);
    put(b, at + 4, code);
  };
};

export const weightedQ4_1 = affine(15, putFourBits);
export const weightedQ5_1 = affine(31, putFiveBits);
