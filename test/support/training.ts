/** @file Small models and batches for tests. */

import { type Batch, batchShape, layOut, type Row } from "../../src/data/batch.ts";
import type { Model } from "../../src/models/model.ts";
import type { Device } from "../../src/runtime/device.ts";
import { compileTraining, type Training, type TrainingOptions } from "../../src/trainers/program.ts";
import { ADAMW } from "../../src/trainers/toy.ts";

export { lossOf as measure, readGradients as gradientsOf, relativeDifference } from "../../src/trainers/laws/law.ts";
export { ADAMW, newModel as prepare, randomSegment as segment, TOY } from "../../src/trainers/toy.ts";

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
