import assert from "node:assert/strict";
import { test } from "node:test";
import { openDevice } from "../../src/runtime/device.ts";
import { dropoutMasks } from "../../src/trainers/dropout.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { prepareLora } from "../support/lora.ts";
import { ADAMW, batchOf, segment, TOY } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const skip = whyNoVulkan() ?? false;
const batch = batchOf([[segment(1, 20, 5), segment(2, 9, 3)], [segment(3, 14, 1)]], 32, 40, 16);

async function losses(name: "cpu" | "webgpu", lora_dropout: number): Promise<number[]> {
  const device = await openDevice(name, { strict: true });
  const model = await prepareLora(device, TOY, { lora_dropout });
  const { parameters } = model.adapter!;
  await resetMoments(device, parameters);
  const training = await compileTraining(device, model, batch.shape, ADAMW, parameters);
  const all: number[] = [];
  for (let step = 1; step <= 5; step++) {
    all.push(await training.accumulate(batch, batch.supervised.length, dropoutMasks(model.adapter, batch.shape, step)));
    await training.update(step, 1e-2, 1);
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
