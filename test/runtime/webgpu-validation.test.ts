import assert from "node:assert/strict";
import { test } from "node:test";
import { openDevice } from "../../src/runtime/device.ts";
import type { Precision } from "../../src/trainers/precision.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { prepareLora } from "../support/lora.ts";
import { ADAMW, batchOf, prepare, segment, TOY } from "../support/training.ts";
import { whyNoHalfVulkan, whyNoVulkan } from "../support/vulkan.ts";

const batch = batchOf([[segment(1, 9, 3), segment(2, 5, 2)], [segment(3, 7, 1)]], 16, 40, 8);
const skipOf = { fp32: whyNoVulkan() ?? false, fp16: whyNoHalfVulkan() ?? false };

type Case = { device: "cpu" | "webgpu"; precision: Precision; lora: boolean };

/** The losses of five steps, and what is measured before each of them where that is wanted. */
async function losses({ device: name, precision, lora }: Case, measure: boolean) {
  const device = await openDevice(name, { strict: name === "webgpu" });
  const model = lora ? await prepareLora(device, TOY, { lora_dropout: 0 }) : await prepare(device, TOY);
  const { parameters } = model.adapter ?? model;
  await resetMoments(device, parameters);
  const options = { ...ADAMW, precision, alone: true };
  const training = await compileTraining(device, model, nextToken, batch.shape, options, parameters);
  const [trained, measured]: [number[], number[]] = [[], []];
  for (let step = 1; step <= 5; step++) {
    if (measure) measured.push(await training.nextTokenLoss(batch));
    trained.push((await training.step([batch], { learning_rate: 1e-2, max_grad_norm: 1 })).loss);
  }
  await training.release();
  await device.close();
  return { trained, measured };
}

for (const device of ["cpu", "webgpu"] as const)
  for (const precision of ["fp32", "fp16"] as const)
    for (const lora of [false, true]) {
      const what = `${device}, ${precision}, ${lora ? "an adapter" : "all weights"}`;
      const skip = device === "webgpu" ? skipOf[precision] : false;
      test(`${what}: what is measured is what the next step finds, and changes none of it`, { skip }, async () => {
        const one = { device, precision, lora };
        const { trained, measured } = await losses(one, true);
        const tolerance = precision === "fp16" ? 2e-3 : 1e-5;
        for (const [i, loss] of trained.entries())
          assert.ok(Math.abs(loss - measured[i]!) <= tolerance, `step ${i + 1}: ${loss}, measured ${measured[i]}`);
        assert.deepEqual(trained, (await losses(one, false)).trained);
        assert.ok(trained[4]! < trained[0]!);
      });
    }
