/** @file Blocks of small unsigned integers with one scale each, as MatMulNBits of ONNX Runtime reads them. */

export const BLOCK_SIZE = 32;

export type Quantized = {
  /** Row-major; of two 4-bit integers in a byte the first is the low one. */
  packed: Uint8Array;
  /** One for each block. */
  scales: Float32Array;
};

/** The integer that stands for 0, of 4 bits, of 8, and of 8 as two of 4 that are each read less 8: 16 (a - 8) + b - 8. */
export const ZEROS = { "4": 8, "8": 128, "4+4": 136 } as const;
export type Integers = keyof typeof ZEROS;

/** Quantise rows whose length is a multiple of BLOCK_SIZE: element ≈ scale · (integer - its zero). */
export function quantizeBlocks(data: Float32Array, integers: Integers): Quantized {
  const bits = integers === "4" ? 4 : 8;
  const zero = ZEROS[integers];
  const packed = new Uint8Array((data.length * bits) / 8);
  const scales = new Float32Array(data.length / BLOCK_SIZE);
  for (let b = 0; b < scales.length; b++) {
    const block = data.subarray(b * BLOCK_SIZE, (b + 1) * BLOCK_SIZE);
    const scale = { "4": scale4, "8": scale8, "4+4": scaleUneven }[integers](block);
    const inverse = scale === 0 ? 0 : 1 / scale;
    scales[b] = scale;
    for (let i = 0; i < BLOCK_SIZE; i++) {
      const at = b * BLOCK_SIZE + i;
      if (bits === 8) packed[at] = level(block[i]! * inverse, zero, 255);
      else packed[at >> 1]! |= level(block[i]! * inverse, zero, 15) << (4 * (at & 1));
    }
  }
  return { packed, scales };
}

const level = (x: number, zero: number, most: number) => Math.min(most, Math.max(0, Math.round(x) + zero));

/** The largest magnitude becomes 127. */
function scale8(block: Float32Array): number {
  let largest = 0;
  for (const x of block) largest = Math.max(largest, Math.abs(x));
  return largest / 127;
}

/** The range is -136 … 119, and its longer end goes to the side that has the largest magnitude. */
function scaleUneven(block: Float32Array): number {
  let [low, high] = [0, 0];
  for (const x of block) [low, high] = [Math.min(low, x), Math.max(high, x)];
  return -low > high ? Math.max(-low / 136, high / 119) : -Math.max(high / 136, -low / 119);
}

/** The range is -8 … 7, and its end -8 goes to the largest magnitude, whatever its sign; of scales near that, the best. */
function scale4(block: Float32Array): number {
  let extreme = 0;
  for (const x of block) if (Math.abs(x) > Math.abs(extreme)) extreme = x;
  if (extreme === 0) return 0;
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (const end of SCALE4_ENDS) {
    const scale = extreme / end;
    const error = squaredError4(block, scale);
    if (error < least) [best, least] = [scale, error];
  }
  return best;
}

/** What the largest magnitude may become; beyond -8 it is cut off, which pays where the rest of the block is small. */
const SCALE4_ENDS = [-8, -7.5, -7.75, -8.25, -8.5, -8.75, -9, -9.5, 7];

function squaredError4(block: Float32Array, scale: number): number {
  const inverse = 1 / scale;
  let sum = 0;
  for (let i = 0; i < BLOCK_SIZE; i++) {
    const difference = block[i]! - (level(block[i]! * inverse, 8, 15) - 8) * scale;
    sum += difference * difference;
  }
  return sum;
}
