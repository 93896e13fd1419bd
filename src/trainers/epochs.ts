/** @file Batches of a dataset that is known beforehand: packed rows, shuffled in every epoch. */

import { deriveSeed, seededRandom } from "../core/random.ts";
import { type Batch, batchShape, layOut } from "../data/batch.ts";
import type { Segments } from "../data/example-store.ts";
import { type PackedRow, rowsOf, unpacked } from "../data/packing.ts";
import type { Model } from "../models/model.ts";
import type { Device } from "../runtime/device.ts";
import type { TrainerOptions } from "./options.ts";
import type { Source } from "./source.ts";
import { supervisedIn } from "./supervised.ts";

/** The rows that segments make, how many steps are made of them, and the sizes of a micro-batch. */
export function layOutRun(
  { target }: Pick<Device, "target">,
  model: Model,
  segments: Segments,
  options: TrainerOptions,
) {
  const { max_length, max_steps, num_train_epochs, per_device_train_batch_size } = options;
  const rows = rowsOf(segments, options);
  const rowsPerStep = per_device_train_batch_size * options.gradient_accumulation_steps;
  const stepsPerEpoch = Math.ceil(rows.length / rowsPerStep);
  const steps = max_steps ?? Math.ceil(stepsPerEpoch * num_train_epochs);
  const vocab = model.head.shape[0] as number;
  const pieces = target.pieces && { heads: model.num_heads, ...target.pieces };
  const shape = batchShape(per_device_train_batch_size, max_length, vocab, pieces);
  return { rows, rowsPerStep, stepsPerEpoch, steps, shape };
}

/** The steps of all epochs; `made` is what a trainer makes of a micro-batch and the rows in it. */
export function epochs<Made extends Batch>(
  device: Pick<Device, "target">,
  model: Model,
  segments: Segments,
  options: TrainerOptions,
  made: (batch: Batch, rows: readonly PackedRow[]) => Made,
): Source<Made> {
  const { rows, rowsPerStep, stepsPerEpoch, steps, shape } = layOutRun(device, model, segments, options);
  const order = epochOrder(rows, options.seed);
  return {
    shape,
    steps,
    stepsPerEpoch,
    unit: "dataset rows",
    step(step) {
      const first = (step % stepsPerEpoch) * rowsPerStep;
      const chosen = order(Math.floor(step / stepsPerEpoch)).slice(first, first + rowsPerStep);
      const batches = chunksOf(chosen, options.per_device_train_batch_size).map((part) =>
        made(
          layOut(
            part.map((row) => unpacked(segments, row)),
            shape,
          ),
          part,
        ),
      );
      const numbers = chosen.flat();
      return {
        batches,
        tokens: numbers.reduce((sum, i) => sum + segments.lengths[i]!, 0),
        supervised: supervisedIn(batches),
        rows: numbers.map((i) => segments.rows[i]!),
      };
    },
  };
}

/** The rows of each epoch, shuffled by the seed and the epoch's number, so that a resumed run sees the same ones. */
function epochOrder(rows: readonly PackedRow[], seed: number): (epoch: number) => readonly PackedRow[] {
  let last: { epoch: number; rows: readonly PackedRow[] } | undefined;
  return (epoch) => {
    if (last?.epoch !== epoch) last = { epoch, rows: seededRandom(deriveSeed(seed, "epoch", epoch)).shuffled(rows) };
    return last.rows;
  };
}

export const chunksOf = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
