import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../src/core/random.ts";
import { BLOCK_SIZE, type Integers, quantizeBlocks, ZEROS } from "../../src/formats/block-quantization.ts";

const random = seededRandom(5);
const data = Float32Array.from({ length: 64 * BLOCK_SIZE }, (_, i) => random.normal() * (1 + (i >> 5)));

function dequantize({ packed, scales }: ReturnType<typeof quantizeBlocks>, integers: Integers, at: number): number {
  const level = integers === "4" ? (packed[at >> 1]! >> (4 * (at & 1))) & 15 : packed[at]!;
  return (level - ZEROS[integers]) * scales[Math.floor(at / BLOCK_SIZE)]!;
}

test("eight bits are off by at most half a step, four bits by less than a tenth of the spread in the mean", () => {
  const [q8, halved, q4] = [quantizeBlocks(data, "8"), quantizeBlocks(data, "4+4"), quantizeBlocks(data, "4")];
  let [error, plain, total] = [0, 0, 0];
  for (const [i, x] of data.entries()) {
    const block = data.subarray(i - (i % BLOCK_SIZE), i - (i % BLOCK_SIZE) + BLOCK_SIZE);
    assert.ok(Math.abs(dequantize(q8, "8", i) - x) <= q8.scales[i >> 5]! * 0.5001);
    assert.ok(Math.abs(dequantize(halved, "4+4", i) - x) <= Math.abs(halved.scales[i >> 5]!) * 0.5001);
    assert.ok(Math.abs(halved.scales[i >> 5]!) < 1.07 * q8.scales[i >> 5]!);
    error += (dequantize(q4, "4", i) - x) ** 2;
    total += x * x;
    // the plain choice: the largest magnitude becomes 7
    const step = Math.max(...block.map(Math.abs)) / 7;
    plain += (Math.round(x / step) * step - x) ** 2;
  }
  assert.ok(Math.sqrt(error / total) < 0.1, `${Math.sqrt(error / total)}`);
  assert.ok(error < 0.85 * plain, `${error / plain} of the plain choice's squared error`);
});

test("what the integers can say is kept: zeros, and multiples of a step", () => {
  assert.deepEqual([...quantizeBlocks(new Float32Array(BLOCK_SIZE), "4").scales], [0]);
  for (const [integers, longest] of [
    ["4", -8],
    ["8", -127],
    ["4+4", -136],
    ["4+4", 136],
  ] as const) {
    const steps = Float32Array.from({ length: BLOCK_SIZE }, (_, i) => (i === 0 ? longest : (i % 8) - 1) * 0.25);
    const quantized = quantizeBlocks(steps, integers);
    for (const [i, x] of steps.entries())
      assert.ok(Math.abs(dequantize(quantized, integers, i) - x) < 1e-6, `${integers} bits: ${x}`);
  }
});
