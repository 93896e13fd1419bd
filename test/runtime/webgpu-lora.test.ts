import assert from "node:assert/strict";
import { test } from "node:test";
import { input, scalar } from "../../src/graph/value.ts";
import { BASE_DTYPES, requireWidened, storageOf } from "../../src/models/storage.ts";
import { Mul } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { dropoutMasks } from "../../src/trainers/dropout.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { distill } from "../support/cli.ts";
import { prepareLora } from "../support/lora.ts";
import { recipe } from "../support/recipes.ts";
import { ADAMW, batchOf, segment, shapeOn, TOY } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const skip = whyNoVulkan() ?? false;
const batch = batchOf([[segment(1, 20, 5), segment(2, 9, 3)], [segment(3, 14, 1)]], 32, 40, 16);

async function losses(name: "cpu" | "webgpu", lora_dropout: number): Promise<number[]> {
  const device = await openDevice(name, { strict: true });
  const model = await prepareLora(device, TOY, { lora_dropout });
  const { parameters } = model.adapter!;
  await resetMoments(device, parameters);
  const training = await compileTraining(device, model, nextToken, shapeOn(device, batch), ADAMW, parameters);
  const all: number[] = [];
  for (let step = 1; step <= 5; step++) {
    const masks = [dropoutMasks(model.adapter, batch.shape, step)];
    all.push((await training.step([batch], { learning_rate: 1e-2, max_grad_norm: 1, masks })).loss);
  }
  await device.close();
  return all;
}

for (const lora_dropout of [0, 0.2])
  test(
    `an adapter trains on webgpu, no node on the CPU, with the losses of the CPU, dropout ${lora_dropout}`,
    { skip },
    async () => {
      const [cpu, webgpu] = [await losses("cpu", lora_dropout), await losses("webgpu", lora_dropout)];
      for (const [i, loss] of cpu.entries()) assert.ok(Math.abs(loss - webgpu[i]!) <= 1e-3, `${cpu} and ${webgpu}`);
    },
  );

for (const base of BASE_DTYPES)
  for (const name of ["cpu", "webgpu"] as const)
    test(
      `${name} is said to widen ${base} where it has all of the kernels`,
      { skip: name === "webgpu" && skip },
      async () => {
        const device = await openDevice(name, { strict: true });
        const { whole, rows } = storageOf({ name: "w", shape: [64, 32], init: "normal" }, base, "float32");
        const widened = { whole: Mul(whole(), scalar(2)), rows: rows(input("ids", "int32", [3])) };
        const compiled = await device.compile(widened).then(
          () => true,
          () => false,
        );
        await device.close();
        const refused = () => requireWidened(base, device);
        if (compiled) assert.doesNotThrow(refused);
        else assert.throws(refused, /has no kernels that widen/);
      },
    );

test("a type that WebGPU cannot widen is refused", { skip }, async () => {
  const lora = { device: "webgpu", lora: { r: 2 }, trainer: { base_dtype: "q8_0", max_length: 128 } };
  const { code, err } = await distill("train", recipe(lora).path);
  assert.equal(code, 1);
  assert.match(
    err,
    /Device "webgpu" has no kernels that widen q8_0\. Set trainer\.base_dtype to one of: float32, float16\.$/m,
  );
});
