import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../src/core/random.ts";
import { BLOCK_SIZE, quantizeBlocks } from "../../src/formats/block-quantization.ts";

const random = seededRandom(5);
const data = Float32Array.from({ length: 64 * BLOCK_SIZE }, (_, i) => random.normal() * (1 + (i >> 5)));

function dequantize({ packed, scales }: ReturnType<typeof quantizeBlocks>, bits: 4 | 8, at: number): number {
  const level = bits === 8 ? packed[at]! : (packed[at >> 1]! >> (4 * (at & 1))) & 15;
  return (level - 2 ** (bits - 1)) * scales[Math.floor(at / BLOCK_SIZE)]!;
}

test("eight bits are off by at most half a step, four bits by less than a tenth of the spread in the mean", () => {
  const [q8, q4] = [quantizeBlocks(data, 8), quantizeBlocks(data, 4)];
  let [error, plain, total] = [0, 0, 0];
  for (const [i, x] of data.entries()) {
    const block = data.subarray(i - (i % BLOCK_SIZE), i - (i % BLOCK_SIZE) + BLOCK_SIZE);
    assert.ok(Math.abs(dequantize(q8, 8, i) - x) <= q8.scales[i >> 5]! * 0.5001);
    error += (dequantize(q4, 4, i) - x) ** 2;
    total += x * x;
    // the plain choice: the largest magnitude becomes 7
    const step = Math.max(...block.map(Math.abs)) / 7;
    plain += (Math.round(x / step) * step - x) ** 2;
  }
  assert.ok(Math.sqrt(error / total) < 0.1, `${Math.sqrt(error / total)}`);
  assert.ok(error < 0.85 * plain, `${error / plain} of the plain choice's squared error`);
});

test("what the integers can say is kept: zeros, and multiples of a step", () => {
  assert.deepEqual([...quantizeBlocks(new Float32Array(BLOCK_SIZE), 4).scales], [0]);
  for (const bits of [4, 8] as const) {
    const steps = Float32Array.from(
      { length: BLOCK_SIZE },
      (_, i) => (i === 0 ? -(2 ** (bits - 1) - (bits === 8 ? 1 : 0)) : (i % 8) - 1) * 0.25,
    );
    const quantized = quantizeBlocks(steps, bits);
    for (const [i, x] of steps.entries())
      assert.ok(Math.abs(dequantize(quantized, bits, i) - x) < 1e-6, `${bits} bits: ${x}`);
  }
});
