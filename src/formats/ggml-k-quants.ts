/** @file ggml's blocks of 256, encoded as its reference does, with an importance matrix and without. */

import { fromFloat16, toFloat16 } from "./float16.ts";
import { scaleAndMinimum } from "./ggml-blocks.ts";
import type { Encode, EncodeWeighted } from "./ggml-encoders.ts";
import {
  clamp,
  fitAffine,
  fitPositive,
  fitSymmetric,
  found,
  NOTHING,
  nearest,
  type Search,
  weights,
} from "./ggml-fits.ts";

const { fround } = Math;
const SIZE = 256;

/** A scale rounded to the half that is written. */
function putScale(b: Uint8Array, at: number, x: number): number {
  const half = toFloat16(x);
  b[at] = half & 0xff;
  b[at + 1] = half >> 8;
  return fromFloat16(half);
}

const FOUR_BITS: Search = { most: 15, first: -1, step: fround(0.1), steps: 20 };
const FIVE_BITS: Search = { most: 31, first: -0.5, step: fround(0.1), steps: 15 };
/** With an importance matrix the search is wider and finer. */
const wide = (most: number): Search => ({ most, first: fround(-0.9), step: fround(0.05), steps: 36 });
const [FOUR_BITS_WIDE, FIVE_BITS_WIDE] = [wide(15), wide(31)];

const scales = new Float32Array(16);
const mins = new Float32Array(8);
const codes = new Uint8Array(SIZE);
const [scaleCodes, minCodes] = [new Uint8Array(8), new Uint8Array(8)];

/** Σ x² over `count` values. */
function squares(x: Float32Array, from: number, count: number): number {
  let sum = 0;
  for (let i = from; i < from + count; i++) sum = fround(sum + fround(x[i]! * x[i]!));
  return sum;
}

/** The scales and minima of eight groups, large values counting for more; their halves, and the values' codes in `codes`. */
function affineGroups(x: Float32Array, from: number, b: Uint8Array, at: number, search: Search): void {
  let [largest, lowest] = [0, 0];
  for (let g = 0; g < 8; g++) {
    const group = from + 32 * g;
    const typical = fround(Math.sqrt(fround(squares(x, group, 32) / 32)));
    for (let i = 0; i < 32; i++) weights[i] = fround(typical + Math.abs(x[group + i]!));
    fitAffine(x, group, codes, 32 * g, search);
    scales[g] = found.scale;
    mins[g] = found.min;
    if (found.scale > largest) largest = found.scale;
    if (found.min > lowest) lowest = found.min;
  }
  const inverse = largest > 0 ? fround(63 / largest) : 0;
  const inverseMin = lowest > 0 ? fround(63 / lowest) : 0;
  for (let g = 0; g < 8; g++) {
    scaleCodes[g] = Math.min(63, nearest(fround(inverse * scales[g]!)));
    minCodes[g] = Math.min(63, nearest(fround(inverseMin * mins[g]!)));
  }
  putGroups(x, from, b, at, search.most, fround(largest / 63), fround(lowest / 63));
}

const sums = new Float32Array(8);

/** The same where a value counts for the importance of its column times √(2 x̄² + x²), and a group for the sum of that. */
function weightedGroups(
  x: Float32Array,
  from: number,
  b: Uint8Array,
  at: number,
  search: Search,
  importance: Float32Array,
  column: number,
): void {
  const spread = fround(fround(2 * squares(x, from, SIZE)) / SIZE);
  for (let g = 0; g < 8; g++) {
    let sum = 0;
    for (let i = 0; i < 32; i++) {
      const value = x[from + 32 * g + i]!;
      const w = fround(importance[column + 32 * g + i]! * fround(Math.sqrt(fround(spread + fround(value * value)))));
      weights[i] = w;
      sum = fround(sum + w);
    }
    sums[g] = sum;
    fitAffine(x, from + 32 * g, codes, 32 * g, search);
    scales[g] = found.scale;
    mins[g] = found.min;
  }
  const d = fitPositive(scales.subarray(0, 8), scaleCodes, sums);
  const dmin = fitPositive(mins, minCodes, sums);
  // least squares of few columns can give a scale below zero, whose code wraps: blocks of five bits alone cap it
  if (search === FIVE_BITS_WIDE) for (let g = 0; g < 8; g++) scaleCodes[g] = Math.min(63, scaleCodes[g]!);
  putGroups(x, from, b, at, search.most, d, dmin);
}

/** Two halves, and six bits for each scale and minimum in 12 bytes behind them; then the values' codes for what was written. */
function putGroups(
  x: Float32Array,
  from: number,
  b: Uint8Array,
  at: number,
  most: number,
  scaleOfScales: number,
  scaleOfMins: number,
): void {
  const d = putScale(b, at, scaleOfScales);
  const dmin = putScale(b, at + 2, scaleOfMins);
  b.fill(0, at + 4, at + 16);
  for (let g = 0; g < 8; g++) {
    const [scale, min] = [scaleCodes[g]!, minCodes[g]!];
    if (g < 4) {
      b[at + 4 + g] = scale;
      b[at + 8 + g] = min;
    } else {
      b[at + 8 + g] = (scale & 15) | ((min & 15) << 4);
      b[at + g]! |= (scale >> 4) << 6;
      b[at + 4 + g]! |= (min >> 4) << 6;
    }
  }
  for (let g = 0; g < 8; g++) {
    const [scale, min] = scaleAndMinimum(b, at + 4, g); // as they are read
    const step = fround(d * scale);
    if (!step) continue;
    const offset = fround(dmin * min);
    for (let i = 32 * g; i < 32 * g + 32; i++)
      codes[i] = clamp(nearest(fround(fround(x[from + i]! + offset) / step)), 0, most);
  }
}

/** Four bits of each value: of 64, the first 32 low and the last 32 high. */
function putNibbles(b: Uint8Array, at: number): void {
  for (let i = 0; i < SIZE / 2; i++) {
    const low = (i >> 5) * 64 + (i & 31);
    b[at + i] = (codes[low]! & 15) | ((codes[low + 32]! & 15) << 4);
  }
}

function putFifthBits(b: Uint8Array, at: number): void {
  b.fill(0, at, at + 32);
  for (let i = 0; i < SIZE; i++) b[at + (i & 31)]! |= (codes[i]! >> 4) << (i >> 5);
}

export const q4_K: Encode = (x, from, b, at) => {
  affineGroups(x, from, b, at, FOUR_BITS);
  putNibbles(b, at + 16);
};

export const weightedQ4_K: EncodeWeighted = (x, from, b, at, importance, column) => {
  weightedGroups(x, from, b, at, FOUR_BITS_WIDE, importance, column);
  putNibbles(b, at + 16);
};

export const q5_K: Encode = (x, from, b, at) => {
  affineGroups(x, from, b, at, FIVE_BITS);
  putFifthBits(b, at + 16);
  putNibbles(b, at + 48);
};

export const weightedQ5_K: EncodeWeighted = (x, from, b, at, importance, column) => {
  weightedGroups(x, from, b, at, FIVE_BITS_WIDE, importance, column);
  putFifthBits(b, at + 16);
  putNibbles(b, at + 48);
};

const SIX_BITS = { count: 16, most: 32 };

export const q6_K: Encode = (x, from, b, at) => sixBits(x, from, b, at);

/** Here a value counts for the importance of its column alone. */
export const weightedQ6_K: EncodeWeighted = (x, from, b, at, importance, column) =>
  sixBits(x, from, b, at, importance, column);

function sixBits(
  x: Float32Array,
  from: number,
  b: Uint8Array,
  at: number,
  importance?: Float32Array,
  column = 0,
): void {
  let [furthest, size] = [0, 0];
  for (let g = 0; g < 16; g++) {
    const scale = fitSymmetric(x, from + 16 * g, codes, 16 * g, SIX_BITS, importance, column + 16 * g);
    scales[g] = scale;
    if (Math.abs(scale) > size) [size, furthest] = [Math.abs(scale), scale];
  }
  b.fill(0, at, at + 210);
  if (size < NOTHING) return;
  const inverse = fround(-128 / furthest);
  const d = putScale(b, at + 208, fround(1 / inverse));
  for (let g = 0; g < 16; g++) {
    const scale = Math.min(127, nearest(fround(inverse * scales[g]!)));
    b[at + 192 + g] = scale;
    const step = fround(d * scale);
    if (!step) continue;
    for (let i = 16 * g; i < 16 * g + 16; i++) codes[i] = clamp(nearest(fround(x[from + i]! / step)), -32, 31) + 32;
  }
  for (let i = 0; i < SIZE; i++) {
    const within = i & 127; // of 128 values: 64 bytes of low halves, then of high ones; 32 bytes of two high bits
    b[at + (i >> 7) * 64 + (within & 63)]! |= (codes[i]! & 15) << (within < 64 ? 0 : 4);
    b[at + 128 + (i >> 7) * 32 + (i & 31)]! |= (codes[i]! >> 4) << (((i >> 5) & 3) * 2);
  }
}
