import assert from "node:assert/strict";
import { test } from "node:test";
import { openDevice } from "../../src/runtime/device.ts";
import { choosePrecision } from "../../src/trainers/precision.ts";
import { extent } from "../support/extent.ts";
import { resumesInHalf } from "../support/half.ts";
import { recoversFromOverflow } from "../support/overflow.ts";
import { batchOf, losses, segment, TOY, TWO_LAYERS } from "../support/training.ts";
import { whyNoHalfVulkan } from "../support/vulkan.ts";

const skip = whyNoHalfVulkan() ?? false;
const rows = [
  [segment(1, 20, 5), segment(2, 9, 3)],
  [segment(3, 14, 1), segment(4, 5, 2)],
];

for (const [steps, name, config, learning_rate, batch] of [
  [20, "the toy", TOY, 3e-3, batchOf(rows, 32, 40, 32)],
  [
    extent(2, 6),
    "two layers of SmolLM2-135M's shape",
    TWO_LAYERS,
    1e-4,
    batchOf([[segment(1, 9, 3), segment(2, 7, 2)]], 16),
  ],
] as const)
  test(
    `${steps} steps of ${name} on webgpu in half precision have the losses of float32 on the CPU`,
    { skip },
    async () => {
      const cpu = await openDevice("cpu");
      const full = await losses(cpu, config, batch, { steps, learning_rate });
      await cpu.close();
      const webgpu = await openDevice("webgpu", { strict: true });
      assert.equal(await choosePrecision(webgpu, "auto"), "fp16");
      const half = await losses(webgpu, config, batch, { steps, learning_rate, precision: "fp16" });
      await webgpu.close();
      for (const [i, loss] of full.entries())
        assert.ok(Math.abs(loss - half[i]!) <= 2e-2, `step ${i + 1}: float32 ${loss}, half ${half[i]}`);
    },
  );

test("an overflow on webgpu is passed over, counted, and recovered from", { skip }, async () => {
  const device = await openDevice("webgpu", { strict: true });
  await recoversFromOverflow(device);
  await device.close();
});

test("a run on webgpu in half precision that was stopped goes on where it was", { skip }, async () => {
  const { whole, resumed } = await resumesInHalf("webgpu");
  for (const [i, { loss }] of whole.metrics.entries())
    assert.ok(Math.abs(loss - resumed.metrics[i]!.loss) <= 1e-3 * loss, `step ${i + 1}: ${loss}`);
});
