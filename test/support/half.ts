/** @file Training in half precision, stopped and gone on with. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inMemory } from "../../src/data/example-store.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import type { Parameter } from "../../src/models/model.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { plainRunFolder } from "../../src/store/run-folder.ts";
import { trainedPart } from "../../src/student/trained.ts";
import { TrainerOptions } from "../../src/trainers/options.ts";
import { sft } from "../../src/trainers/sft.ts";
import { trainWith } from "../../src/trainers/trainer.ts";
import { stoppingAfter } from "./stopping.ts";
import { scratch } from "./students.ts";
import { segment, TOY } from "./training.ts";

type Run = { weights: Map<string, Float32Array>; metrics: { loss: number; skipped_steps: number }[] };

const segments = [segment(1, 20, 5), segment(2, 9, 3), segment(3, 14, 1), segment(4, 5, 2)];

/** Six steps at once, and six that were stopped after three. */
export async function resumesInHalf(name: "cpu" | "webgpu"): Promise<{ whole: Run; resumed: Run }> {
  const train = async (output: string, stopAfter?: number) => {
    const device = await openDevice(name, { threads: 1 });
    const model = createModel(TOY, "The test's config");
    const options = TrainerOptions.parse({
      precision: "fp16",
      max_steps: 6,
      max_length: 48,
      learning_rate: 3e-3,
      lr_scheduler_type: "constant",
      logging_steps: 1,
      save_steps: stopAfter ?? 100,
    });
    const signal = stopAfter === undefined ? undefined : stoppingAfter(stopAfter, output);
    const weights = (parameters: readonly Parameter[]) => initialWeights({ ...model, parameters }, 3);
    const folder = plainRunFolder(output);
    const run = { device, model, trained: trainedPart(model, TOY), weights, folder, fingerprint: "x", signal };
    const result = await trainWith(sft, options, run, { segments: inMemory(segments) });
    const trained = new Map<string, Float32Array>();
    for (const { name } of model.parameters) trained.set(name, (await device.read(name)).data as Float32Array);
    await device.close();
    const metrics = readFileSync(join(output, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => ({ ...JSON.parse(line), tokens_per_s: 0 }));
    return { result, weights: trained, metrics };
  };
  const whole = await train(scratch());
  const output = scratch();
  const part = await train(output, 3);
  assert.ok(part.result.stopped && part.result.step === 3);
  const { optimizer } = JSON.parse(readFileSync(join(output, "checkpoints/step-3/trainer.json"), "utf8"));
  assert.equal(optimizer.loss_scale, 2 ** 16);
  assert.equal(optimizer.good_steps, 3);
  assert.equal(whole.metrics[0]!.skipped_steps, 0);
  return { whole, resumed: await train(output) };
}
