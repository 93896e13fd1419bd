import assert from "node:assert/strict";
import { test } from "node:test";
import { input } from "../../src/graph/value.ts";
import { MatMul } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { choosePrecision } from "../../src/trainers/precision.ts";
import { whyNoVulkanWithoutHalf } from "../support/vulkan.ts";

const skip = whyNoVulkanWithoutHalf() ?? false;

test("a GPU that has no half precision says so in a sentence, and is not chosen for it", { skip }, async () => {
  const device = await openDevice("webgpu", { strict: true });
  const x = input("x", "float16", [2, 2]);
  const program = await device.compile({ y: MatMul(x, x) });
  await assert.rejects(program.run({ x: tensor("float16", [2, 2], new Uint16Array(4)) }), {
    name: "DistillError",
    message:
      /^Device "webgpu" has no kernel for MatMul of float16\. Cast to float32 \(trainer\.precision: fp32\), or take/,
  });
  assert.equal(await choosePrecision(device, "auto"), "fp32");
  await assert.rejects(
    choosePrecision(device, "fp16"),
    /cannot compute in half precision: .*Set trainer\.precision to fp32/,
  );
  await device.close();
});
