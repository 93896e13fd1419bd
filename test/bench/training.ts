/** @file A shape's model on a device, ready to be trained on one batch of random tokens. */

import { seededRandom } from "../../src/core/random.ts";
import { batchShape } from "../../src/data/batch.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import { elementsIn } from "../../src/models/model.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { writeWeight } from "../../src/trainers/checkpoint.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { randomBatch } from "./random-batch.ts";
import type { BenchShape } from "./shapes.ts";

export type BenchTraining = {
  device: Device;
  /** Of the model, and of those that are trained. */
  params: number;
  trained: number;
  /** Nodes of the program. */
  nodes: number;
  /** Train one step; its loss. */
  step(): Promise<number>;
};

/** The training of a shape on the CPU, after two steps. 0 threads are one a core. */
export async function openTraining(
  { config, rows, length, rematerialize = false, lora }: BenchShape,
  options: { threads: number; profile?: string },
): Promise<BenchTraining> {
  const model = createModel(config, "bench", lora ? { lora: LoraOptions.parse(lora) } : {});
  const { adapter } = model;
  const trained = adapter?.parameters ?? model.parameters;
  const device = await openDevice("cpu", options);
  for (const weight of initialWeights(model, 1)) await writeWeight(device, model, weight);
  if (adapter)
    for (const weight of initialWeights({ ...model, ...adapter }, 1)) await writeWeight(device, model, weight);
  await resetMoments(device, trained);
  const vocab = config.vocab_size as number;
  const shape = batchShape(rows, length, vocab);
  const adamW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, rematerialize };
  const training = await compileTraining(device, model, nextToken, shape, adamW, trained);
  const batch = randomBatch(shape, vocab, seededRandom(1));
  const step = async () => (await training.step([batch], { learning_rate: 1e-4, max_grad_norm: 1 })).loss;
  await step();
  await step();
  return { device, params: elementsIn(model.parameters), trained: elementsIn(trained), nodes: training.nodes, step };
}
