/** @file ggml's quantised blocks, decoded. Products are exact in double precision, so that each value is rounded once. */

import { fromFloat16 } from "./float16.ts";
import type { GgmlType } from "./ggml.ts";

/** Write the values of block `b` into `y` from index `o`. */
type Decode = (b: Uint8Array, y: Float32Array, o: number) => void;

const half = (b: Uint8Array, at: number): number => fromFloat16(b[at]! | (b[at + 1]! << 8));
const signed = (byte: number): number => (byte << 24) >> 24;
/** The i-th of 32 values of four bits: the first 16 are the low halves of 16 bytes, the last 16 the high ones. */
const nibble = (b: Uint8Array, at: number, i: number): number => (i < 16 ? b[at + i]! & 15 : b[at + i - 16]! >> 4);
const bit = (b: Uint8Array, at: number, i: number): number => (b[at + (i >> 3)]! >> (i & 7)) & 1;

/** y = d·q, and + m where there is a minimum, for 32 values; both are halves in front. */
const simple =
  (value: (b: Uint8Array, i: number) => number, minimum = false): Decode =>
  (b, y, o) => {
    const [d, m] = [half(b, 0), half(b, 2)];
    for (let i = 0; i < 32; i++) y[o + i] = minimum ? d * value(b, i) + m : d * value(b, i);
  };

/** Six-bit scales and minima of eight groups of 32, packed into 12 bytes: [scale, minimum] of group g. */
export function scaleAndMinimum(b: Uint8Array, at: number, g: number): [number, number] {
  if (g < 4) return [b[at + g]! & 63, b[at + 4 + g]! & 63];
  const low = b[at + 4 + g]!;
  return [(low & 15) | ((b[at + g - 4]! >> 2) & 0x30), (low >> 4) | ((b[at + g]! >> 2) & 0x30)];
}

/** Where value i of 256 has its two bits: 32 bytes for each 128 values, the shift grows with each 32. */
const twoBits = (b: Uint8Array, at: number, i: number): number =>
  (b[at + (i >> 7) * 32 + (i & 31)]! >> (((i >> 5) & 3) * 2)) & 3;

/** Where value i of 256 has its four bits: 32 bytes for each 64 values. */
const fourBits = (b: Uint8Array, at: number, i: number): number =>
  (b[at + (i >> 6) * 32 + (i & 31)]! >> (((i >> 5) & 1) * 4)) & 15;

/** y = (d·scale)·q - (dmin·minimum) in groups of 32. */
const superBlock =
  (value: (b: Uint8Array, i: number) => number): Decode =>
  (b, y, o) => {
    const [d, dmin] = [half(b, 0), half(b, 2)];
    for (let g = 0; g < 8; g++) {
      const [scale, min] = scaleAndMinimum(b, 4, g);
      for (let i = g * 32; i < g * 32 + 32; i++) y[o + i] = d * scale * value(b, i) - dmin * min;
    }
  };

export const decodeBlock: Partial<Record<GgmlType, Decode>> = {
  Q4_0: simple((b, i) => nibble(b, 2, i) - 8),
  Q4_1: simple((b, i) => nibble(b, 4, i), true),
  Q5_0: simple((b, i) => (nibble(b, 6, i) | (bit(b, 2, i) << 4)) - 16),
  Q5_1: simple((b, i) => nibble(b, 8, i) | (bit(b, 4, i) << 4), true),
  Q8_0: simple((b, i) => signed(b[2 + i]!)),
  Q2_K(b, y, o) {
    const [d, dmin] = [half(b, 80), half(b, 82)];
    for (let i = 0; i < 256; i++) {
      const scale = b[i >> 4]!;
      y[o + i] = d * (scale & 15) * twoBits(b, 16, i) - dmin * (scale >> 4);
    }
  },
  Q3_K(b, y, o) {
    const d = half(b, 108);
    for (let i = 0; i < 256; i++) {
      const g = i >> 4; // groups of 16 with scales of six bits: four low ones in bytes 0 to 7, two high ones in 8 to 11
      const low = (b[96 + (g & 7)]! >> (g < 8 ? 0 : 4)) & 15;
      const high = (b[104 + (g & 3)]! >> ((g >> 2) * 2)) & 3;
      const scale = (low | (high << 4)) - 32;
      const third = (b[i & 31]! >> (i >> 5)) & 1; // the third bit, inverted: 0 takes 4 away
      y[o + i] = d * scale * (twoBits(b, 32, i) - (third ? 0 : 4));
    }
  },
  Q4_K: superBlock((b, i) => fourBits(b, 16, i)),
  Q5_K: superBlock((b, i) => fourBits(b, 48, i) | (((b[16 + (i & 31)]! >> (i >> 5)) & 1) << 4)),
  Q6_K(b, y, o) {
    const d = half(b, 208);
    for (let i = 0; i < 256; i++) {
      const within = i & 127; // of 128 values: 64 bytes of low halves, then of high ones; 32 bytes of two high bits
      const low = (b[(i >> 7) * 64 + (within & 63)]! >> (within < 64 ? 0 : 4)) & 15;
      const q = (low | (twoBits(b, 128, i) << 4)) - 32;
      y[o + i] = d * signed(b[192 + (i >> 4)]!) * q;
    }
  },
};
