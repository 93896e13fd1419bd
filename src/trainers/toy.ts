/** @file A two-layer Llama on random tokens: what tests train, and what distill doctor trains on each device. */

import { seededRandom } from "../core/random.ts";
import { batchShape, layOut, type Segment } from "../data/batch.ts";
import { createModel, initialWeights, type ModelConfig } from "../models/load.ts";
import type { Model } from "../models/model.ts";
import type { Device } from "../runtime/device.ts";
import { tensor } from "../runtime/tensor.ts";
import { compileTraining, resetMoments, type TrainingOptions } from "./program.ts";
import { nextToken } from "./supervised.ts";

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

export const ADAMW: TrainingOptions = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weight_decay: 0.01,
  rematerialize: false,
};

/** A segment of `length` random tokens of which those from `prompt` on are supervised. */
export function randomSegment(seed: number, length: number, prompt = 1, vocab = 40): Segment {
  const random = seededRandom(seed);
  const tokens = Array.from({ length }, () => random.below(vocab));
  return { tokens, supervised: tokens.map((_, i) => i >= prompt) };
}

/** Put a new model's weights on a device, and moments of zero. */
export async function newModel(device: Device, config: ModelConfig = TOY, seed = 3): Promise<Model> {
  const model = createModel(config, "The toy's config");
  for (const { name, shape, data } of initialWeights(model, seed))
    await device.write(name, tensor("float32", shape, data));
  await resetMoments(device, model.parameters);
  return model;
}

/** The loss at each of `steps` steps of forward, backward and AdamW, and the median time of a step but the first, in ms. */
export async function trainToy(device: Device, steps = 12): Promise<{ losses: number[]; train_step_ms: number }> {
  const model = await newModel(device);
  const shape = { ...batchShape(2, 32, TOY.vocab_size as number), block: 16 };
  const rows = [
    [randomSegment(1, 20, 5), randomSegment(2, 9, 3)],
    [randomSegment(3, 14, 1), randomSegment(4, 5, 2)],
  ];
  const batch = layOut(rows, shape);
  const training = await compileTraining(device, model, nextToken, shape, ADAMW);
  const [losses, times]: [number[], number[]] = [[], []];
  for (let step = 1; step <= steps; step++) {
    const start = performance.now();
    losses.push((await training.step([batch], { learning_rate: 3e-3, max_grad_norm: 1 })).loss);
    times.push(performance.now() - start);
  }
  const train_step_ms = times.slice(1).sort((a, b) => a - b)[(steps - 1) >> 1]!;
  return { losses, train_step_ms };
}
