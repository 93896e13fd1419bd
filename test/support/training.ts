/** @file Small models and batches for tests. */

import { type Batch, type BatchShape, batchShape, layOut, type Row } from "../../src/data/batch.ts";
import type { ModelConfig } from "../../src/models/load.ts";
import type { Model } from "../../src/models/model.ts";
import type { Device } from "../../src/runtime/device.ts";
import { compileTraining, type Training, type TrainingOptions } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { ADAMW, newModel } from "../../src/trainers/toy.ts";

export { lossOf as measure, readGradients as gradientsOf, relativeDifference } from "../../src/trainers/laws/law.ts";
export { ADAMW, newModel as prepare, randomSegment as segment, TOY } from "../../src/trainers/toy.ts";

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

export function batchOf(rows: readonly Row[], length: number, vocab = 40, block?: number): Batch {
  const shape = batchShape(rows.length, length, vocab);
  return layOut(rows, block ? { ...shape, block } : shape);
}

/** A batch's sizes, with as few kernels as the device wants. */
export const shapeOn = ({ target }: Device, { shape }: Batch): BatchShape =>
  target.fewKernels ? { ...shape, fewKernels: true } : shape;

export const compileFor = (
  device: Device,
  model: Model,
  batch: Batch,
  options: Partial<TrainingOptions> = {},
): Promise<Training<Batch>> =>
  compileTraining(device, model, nextToken, shapeOn(device, batch), { ...ADAMW, ...options });

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
  const model = await newModel(device, config);
  const training = await compileFor(device, model, batch, options);
  const all: number[] = [];
  for (let step = 1; step <= steps; step++) {
    all.push((await training.step([batch], { learning_rate, max_grad_norm: 1 })).loss);
  }
  return all;
}
