import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { whyNoHalfVulkan } from "../support/vulkan.ts";

const skip = whyNoHalfVulkan() ?? false;

test("the benchmark for GPUs measures products and steps in both precisions on software Vulkan", { skip }, () => {
  const script = new URL("gpu.js", import.meta.url).pathname;
  const args = [script, "--toy", "--steps", "1", "--shape", "toy Qwen2", "--json"];
  const output = execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const { matmul, steps, versions } = JSON.parse(output.trim().split("\n").at(-1)!);
  assert.equal(matmul.size, 256);
  const measured = (rows: { precision: string; tflops: number }[]) =>
    rows.map(({ precision, tflops }) => [precision, tflops > 0]);
  assert.deepEqual(measured(matmul.ours), [
    ["fp32", true],
    ["fp16", true],
  ]);
  assert.deepEqual(measured(steps), measured(matmul.ours));
  assert.ok(Math.abs(steps[0].loss - steps[1].loss) < 2e-2, "both precisions train alike");
  assert.ok(steps.every(({ kernels }: { kernels: number }) => kernels > 100));
  assert.equal(versions.device, "webgpu");
});
