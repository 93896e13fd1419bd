/** @file Small models and batches for tests. */

import { seededRandom } from "../../src/core/random.ts";
import { type Batch, batchShape, layOut, type Row, type Segment } from "../../src/data/batch.ts";
import { createModel, initialWeights, type ModelConfig } from "../../src/models/load.ts";
import type { Model } from "../../src/models/model.ts";
import type { Device } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { compileTraining, resetMoments, type Training, type TrainingOptions } from "../../src/trainers/program.ts";

export const TOY: ModelConfig = {
  model_type: "llama",
  vocab_size: 40,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
  initializer_range: 0.1,
};

/** Two layers of SmolLM2-135M's shape, with a small vocabulary. */
export const TWO_LAYERS: ModelConfig = {
  model_type: "llama",
  vocab_size: 40,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 2,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  tie_word_embeddings: true,
  initializer_range: 0.02,
};

export const ADAMW: TrainingOptions = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weight_decay: 0.01,
  rematerialize: false,
};

/** A segment of `length` random tokens of which those from `prompt` on are supervised. */
export function segment(seed: number, length: number, prompt = 1, vocab = 40): Segment {
  const random = seededRandom(seed);
  const tokens = Array.from({ length }, () => random.below(vocab));
  return { tokens, supervised: tokens.map((_, i) => i >= prompt) };
}

/** Put a model's initial weights on a device, and moments of zero. */
export async function prepare(device: Device, config: ModelConfig = TOY, seed = 3): Promise<Model> {
  const model = createModel(config, "The test's config");
  for (const { name, shape, data } of initialWeights(model, seed))
    await device.write(name, tensor("float32", shape, data));
  await resetMoments(device, model.parameters);
  return model;
}

export function batchOf(rows: readonly Row[], length: number, vocab = 40, block?: number): Batch {
  const shape = batchShape(rows.length, length, vocab);
  return layOut(rows, block ? { ...shape, block } : shape);
}

export const compileFor = (
  device: Device,
  model: Model,
  batch: Batch,
  options: Partial<TrainingOptions> = {},
): Promise<Training> => compileTraining(device, model, batch.shape, { ...ADAMW, ...options });

/** The loss of each of `steps` steps on one batch. */
export async function losses(
  device: Device,
  config: ModelConfig,
  batch: Batch,
  {
    steps = 20,
    learning_rate = 3e-3,
    ...options
  }: Partial<TrainingOptions> & { steps?: number; learning_rate?: number },
): Promise<number[]> {
  const model = await prepare(device, config);
  const training = await compileFor(device, model, batch, options);
  const all: number[] = [];
  for (let step = 1; step <= steps; step++) {
    all.push((await training.step([batch], { step, learning_rate, max_grad_norm: 1 })).loss);
  }
  return all;
}

/** The mean loss of micro-batches, whose gradients are on the device then; the weights stay as they are. */
export async function measure(training: Training, ...batches: Batch[]): Promise<number> {
  return (await training.step(batches, { step: 1, learning_rate: 0, max_grad_norm: 1 })).loss;
}

/** The largest |a - b| / max |b|. */
export function relativeDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [difference, scale] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs(a[i]! - b[i]!));
    scale = Math.max(scale, Math.abs(b[i]!));
  }
  return difference / (scale || 1);
}

/** The gradients of a batch's mean loss, by weight. */
export async function gradientsOf(device: Device, model: Model): Promise<Map<string, Float32Array>> {
  const grads = new Map<string, Float32Array>();
  for (const { name } of model.parameters) grads.set(name, (await device.read(`grad/${name}`)).data as Float32Array);
  return grads;
}
