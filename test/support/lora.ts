/** @file Small models with adapters. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../src/core/random.ts";
import type { Batch } from "../../src/data/batch.ts";
import { tokenFeeds, tokenInputs } from "../../src/generation/tokens.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapterConfig } from "../../src/models/adapter-folder.ts";
import {
  createModel,
  initialWeights,
  type ModelConfig,
  readConfig,
  saveTensors,
  type Weight,
} from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import type { Model, ModelOptions } from "../../src/models/model.ts";
import { linear } from "../../src/nn/linear.ts";
import type { Device } from "../../src/runtime/device.ts";
import { writeWeight } from "../../src/trainers/checkpoint.ts";

/** A model with an adapter, on a device: its weights from the seed, those of the adapter new or at random. */
export async function prepareLora(
  device: Device,
  config: ModelConfig,
  lora: Partial<LoraOptions> = {},
  { base, random = false }: Pick<ModelOptions, "base"> & { random?: boolean } = {},
): Promise<Model> {
  const model = createModel(config, "The test's config", {
    lora: LoraOptions.parse({ r: 4, lora_alpha: 6, ...lora }),
    ...(base ? { base } : {}),
  });
  for (const weight of initialWeights(model, 3)) await writeWeight(device, model, weight);
  for (const weight of random ? randomAdapter(model) : initialWeights({ ...model, ...model.adapter! }, 5))
    await writeWeight(device, model, weight);
  return model;
}

/** Matrices of an adapter that change what the model says. */
export function* randomAdapter({ adapter }: Model): Generator<Weight> {
  const random = seededRandom(11);
  for (const parameter of adapter!.parameters) {
    const size = parameter.shape.reduce((a, b) => a * b, 1);
    yield { ...parameter, data: Float32Array.from({ length: size }, () => 0.15 * random.normal()) };
  }
}

/** The logits after each token of a batch: [tokens, vocab_size]. */
export async function logitsOf(device: Device, model: Model, batch: Batch): Promise<Float32Array> {
  const program = await device.compile({ logits: linear(model.hidden(tokenInputs(batch.shape)), model.head) });
  const { logits } = await program.run(tokenFeeds(batch));
  await program.release();
  return logits!.data as Float32Array;
}

/** An adapter at random to the model in the folder `base`, as PEFT lays one out. */
export async function writeAdapter(folder: string, base: string, lora: Partial<LoraOptions> = {}): Promise<string> {
  const options = LoraOptions.parse({ r: 4, lora_alpha: 6, target_modules: "all-linear", ...lora });
  const model = createModel(readConfig(base), base, { lora: options });
  const weights = new Map([...randomAdapter(model)].map(({ name, data }) => [name, data]));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, ADAPTER_CONFIG), JSON.stringify(adapterConfig(model.adapter!, base)));
  const { parameters, saved, tensorNames } = model.adapter!;
  for (const { name, data } of initialWeights({ ...model, parameters: saved }, 3))
    for (const tensor of tensorNames(name)) weights.set(tensor, data);
  const beside = saved.flatMap(({ name, shape }) => tensorNames(name).map((tensor) => ({ name: tensor, shape })));
  await saveTensors(join(folder, ADAPTER_WEIGHTS), [...parameters, ...beside], async (name) => weights.get(name)!);
  return folder;
}
