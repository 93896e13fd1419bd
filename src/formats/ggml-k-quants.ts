/**
 * @file ggml's blocks of 256, encoded as its reference does without an importance matrix. Each group's scale is searched for
 * by least squares; every sum and product is rounded to single precision in the reference's order, so that bytes are the same.
 */

import { fromFloat16, toFloat16 } from "./float16.ts";
import type { Encode } from "./ggml-encoders.ts";

const { fround } = Math;
const SIZE = 256;

/** The nearest whole number of a float32 far below 2²², the even one of two. */
const nearest = (x: number): number => fround(x + 12582912) - 12582912;
const clamp = (x: number, low: number, high: number): number => (x < low ? low : x > high ? high : x);

/** A scale rounded to the half that is written. */
function putScale(b: Uint8Array, at: number, x: number): number {
  const half = toFloat16(x);
  b[at] = half & 0xff;
  b[at + 1] = half >> 8;
  return fromFloat16(half);
}

type Search = { most: number; first: number; step: number; steps: number };
const FOUR_BITS: Search = { most: 15, first: -1, step: fround(0.1), steps: 20 };
const FIVE_BITS: Search = { most: 31, first: -0.5, step: fround(0.1), steps: 15 };

const weights = new Float32Array(32);
const trial = new Uint8Array(32);
/** What `fitAffine` found: the scale, and how far below zero the values begin. */
const found = { scale: 0, min: 0 };

/**
 * The scale s and the offset m that keep Σ w (s q + m - x)² small over 32 values, q from 0 to `most`, with large values
 * counting for more. Candidates are the rounded values of several spacings, each with its least-squares s and m.
 */
function fitAffine(x: Float32Array, from: number, q: Uint8Array, at: number, search: Search): void {
  const { most, first, step, steps } = search;
  let squares = 0;
  for (let i = 0; i < 32; i++) squares = fround(squares + fround(x[from + i]! * x[from + i]!));
  const typical = fround(Math.sqrt(fround(squares / 32)));
  let [min, max, sumW, sumX] = [x[from]!, x[from]!, 0, 0];
  for (let i = 0; i < 32; i++) {
    const value = x[from + i]!;
    const w = fround(typical + Math.abs(value));
    weights[i] = w;
    if (value < min) min = value;
    if (value > max) max = value;
    sumW = i === 0 ? w : fround(sumW + w);
    sumX = i === 0 ? fround(w * value) : fround(sumX + fround(w * value));
  }
  if (min > 0) min = 0;
  if (max === min) {
    q.fill(0, at, at + 32);
    [found.scale, found.min] = [0, -min];
    return;
  }
  let inverse = fround(most / fround(max - min));
  let scale = fround(1 / inverse);
  let best = 0;
  for (let i = 0; i < 32; i++) {
    const value = x[from + i]!;
    const l = clamp(nearest(fround(inverse * fround(value - min))), 0, most);
    q[at + i] = l;
    const off = fround(fround(fround(scale * l) + min) - value);
    best = fround(best + fround(weights[i]! * fround(off * off)));
  }
  for (let s = 0; s <= steps; s++) {
    inverse = fround(fround(fround(first + fround(step * s)) + most) / fround(max - min)); // from the best min so far
    let [sumL, sumL2, sumXL] = [0, 0, 0];
    for (let i = 0; i < 32; i++) {
      const value = x[from + i]!;
      const l = clamp(nearest(fround(inverse * fround(value - min))), 0, most);
      trial[i] = l;
      const wl = fround(weights[i]! * l);
      sumL = fround(sumL + wl);
      sumL2 = fround(sumL2 + fround(wl * l));
      sumXL = fround(sumXL + fround(wl * value));
    }
    const determinant = fround(fround(sumW * sumL2) - fround(sumL * sumL));
    if (determinant <= 0) continue;
    let slope = fround(fround(fround(sumW * sumXL) - fround(sumX * sumL)) / determinant);
    let offset = fround(fround(fround(sumL2 * sumX) - fround(sumL * sumXL)) / determinant);
    if (offset > 0) {
      offset = 0;
      slope = fround(sumXL / sumL2);
    }
    let error = 0;
    for (let i = 0; i < 32; i++) {
      const off = fround(fround(fround(slope * trial[i]!) + offset) - x[from + i]!);
      error = fround(error + fround(weights[i]! * fround(off * off)));
    }
    if (error < best) {
      q.set(trial, at);
      best = error;
      scale = slope;
      min = offset;
    }
  }
  [found.scale, found.min] = [scale, -min];
}

const scales = new Float32Array(16);
const mins = new Float32Array(8);
const codes = new Uint8Array(SIZE);

/** The scales and minima of eight groups: two halves, and six bits for each in 12 bytes behind them. The values' codes are left in `codes`. */
function affineGroups(x: Float32Array, from: number, b: Uint8Array, at: number, search: Search): void {
  let [largest, lowest] = [0, 0];
  for (let g = 0; g < 8; g++) {
    fitAffine(x, from + 32 * g, codes, 32 * g, search);
    scales[g] = found.scale;
    mins[g] = found.min;
    if (found.scale > largest) largest = found.scale;
    if (found.min > lowest) lowest = found.min;
  }
  const inverse = largest > 0 ? fround(63 / largest) : 0;
  const inverseMin = lowest > 0 ? fround(63 / lowest) : 0;
  const d = putScale(b, at, fround(largest / 63));
  const dmin = putScale(b, at + 2, fround(lowest / 63));
  b.fill(0, at + 4, at + 16);
  for (let g = 0; g < 8; g++) {
    const scale = Math.min(63, nearest(fround(inverse * scales[g]!)));
    const min = Math.min(63, nearest(fround(inverseMin * mins[g]!)));
    if (g < 4) {
      b[at + 4 + g] = scale;
      b[at + 8 + g] = min;
    } else {
      b[at + 8 + g] = (scale & 15) | ((min & 15) << 4);
      b[at + g]! |= (scale >> 4) << 6;
      b[at + 4 + g]! |= (min >> 4) << 6;
    }
    const step = fround(d * scale);
    if (!step) continue;
    const offset = fround(dmin * min);
    for (let i = 32 * g; i < 32 * g + 32; i++)
      codes[i] = clamp(nearest(fround(fround(x[from + i]! + offset) / step)), 0, search.most);
  }
}

/** Four bits of each value: of 64, the first 32 low and the last 32 high. */
function putNibbles(b: Uint8Array, at: number): void {
  for (let i = 0; i < SIZE / 2; i++) {
    const low = (i >> 5) * 64 + (i & 31);
    b[at + i] = (codes[low]! & 15) | ((codes[low + 32]! & 15) << 4);
  }
}

export const q4_K: Encode = (x, from, b, at) => {
  affineGroups(x, from, b, at, FOUR_BITS);
  putNibbles(b, at + 16);
};

export const q5_K: Encode = (x, from, b, at) => {
  affineGroups(x, from, b, at, FIVE_BITS);
  b.fill(0, at + 16, at + 48);
  for (let i = 0; i < SIZE; i++) b[at + 16 + (i & 31)]! |= (codes[i]! >> 4) << (i >> 5);
  putNibbles(b, at + 48);
};

/** A group whose largest value is below this is zeros. */
const NOTHING = fround(1e-15);

/** The scale s that keeps Σ x² (s q - x)² small over 16 values, q from -32 to 31; codes are q + 32. */
function fitSymmetric(x: Float32Array, from: number, at: number): number {
  let [furthest, size] = [0, 0];
  for (let i = from; i < from + 16; i++) {
    const magnitude = Math.abs(x[i]!);
    if (magnitude > size) [size, furthest] = [magnitude, x[i]!];
  }
  if (size < NOTHING) {
    codes.fill(0, at, at + 16);
    return 0;
  }
  const rounded = (inverse: number, i: number) => clamp(nearest(fround(inverse * x[from + i]!)), -32, 31);
  let [sumXL, sumL2] = [0, 0];
  const measure = (inverse: number) => {
    [sumXL, sumL2] = [0, 0];
    for (let i = 0; i < 16; i++) {
      const value = x[from + i]!;
      const l = rounded(inverse, i);
      const w = fround(value * value);
      sumXL = fround(sumXL + fround(fround(w * value) * l));
      sumL2 = fround(sumL2 + fround(fround(w * l) * l));
    }
  };
  const keep = (inverse: number) => {
    for (let i = 0; i < 16; i++) codes[at + i] = rounded(inverse, i) + 32;
  };
  const first = fround(-32 / furthest);
  measure(first);
  keep(first);
  let scale = sumL2 ? fround(sumXL / sumL2) : 0;
  let best = fround(scale * sumXL);
  for (let s = -9; s <= 9; s++) {
    if (s === 0) continue;
    const inverse = fround(-fround(32 + fround(fround(0.1) * s)) / furthest);
    measure(inverse);
    if (sumL2 > 0 && fround(sumXL * sumXL) > fround(best * sumL2)) {
      keep(inverse);
      scale = fround(sumXL / sumL2);
      best = fround(scale * sumXL);
    }
  }
  return scale;
}

export const q6_K: Encode = (x, from, b, at) => {
  let [furthest, size] = [0, 0];
  for (let g = 0; g < 16; g++) {
    const scale = fitSymmetric(x, from + 16 * g, 16 * g);
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
};
