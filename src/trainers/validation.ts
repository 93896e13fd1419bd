/** @file Validation: the loss on rows that are not trained on, measured between steps. */

import { z } from "zod";
import { continuable } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { type Batch, layOut } from "../data/batch.ts";
import type { Segments } from "../data/example-store.ts";
import { rowsOf, unpacked } from "../data/packing.ts";
import type { Panel } from "./curves.ts";
import { chunksOf } from "./epochs.ts";
import type { TrainerOptions } from "./options.ts";
import type { Source } from "./source.ts";

/** Options that need a recipe's evaluation_dataset. The names are those of transformers. */
export const ValidationOptions = z.object({
  eval_steps: continuable(z.int().positive().optional()).describe(
    "The loss is measured after every so many steps, and after the last; 100 unless given.",
  ),
  load_best_model_at_end: continuable(z.boolean().optional()).describe(
    "Whether the weights with the least loss become the student, rather than the last ones.",
  ),
  early_stopping_patience: continuable(z.int().positive().optional()).describe(
    "The run ends once so many measurements in turn were no better than the best before them; never unless given.",
  ),
  early_stopping_threshold: continuable(z.number().nonnegative().optional()).describe(
    "By how much the loss must be below the best to be better in that sense.",
  ),
});
export type ValidationOptions = z.output<typeof ValidationOptions>;

/** Steps between measurements unless the recipe says. */
const EVAL_STEPS = 100;

/** The key and what is wrong where options of validation do not go together, or with what there is. */
export function validationConflict(
  { early_stopping_patience: patience, early_stopping_threshold: threshold, ...options }: ValidationOptions,
  measured: boolean,
): { key: string; message: string } | undefined {
  const all = { ...options, early_stopping_patience: patience, early_stopping_threshold: threshold };
  const given = Object.keys(ValidationOptions.shape).find((key) => all[key as keyof typeof all] !== undefined);
  if (given !== undefined && !measured)
    return { key: given, message: "there is nothing to measure the loss on; give evaluation_dataset, or leave it out" };
  if (threshold !== undefined && patience === undefined)
    return { key: "early_stopping_threshold", message: "it needs early_stopping_patience; give that, or leave it out" };
  return undefined;
}

/** How often the loss is measured in a run of so many steps. */
export const measurementsIn = (steps: number, { eval_steps = EVAL_STEPS }: ValidationOptions): number =>
  Math.ceil(steps / eval_steps);

/** A source whose student is measured on `segments`, where there are some: the mean over supervised tokens of -log p(token). */
export function validated<Made extends Batch>(
  source: Source<Made>,
  segments: Segments | undefined,
  options: TrainerOptions & ValidationOptions,
  signal: AbortSignal | undefined,
): Source<Made> {
  if (!segments) return source;
  const { shape, steps } = source;
  const { eval_steps = EVAL_STEPS, early_stopping_patience: patience, early_stopping_threshold: threshold } = options;
  const parts = chunksOf(rowsOf(segments, options), shape.rows);
  return {
    ...source,
    evaluation: {
      due: (done) => done % eval_steps === 0 || done === steps,
      best: options.load_best_model_at_end ?? false,
      ...(patience === undefined ? {} : { stopping: { patience, threshold: threshold ?? 0 } }),
      async measure({ nextTokenLoss }) {
        let [sum, count] = [0, 0];
        for (const part of parts) {
          if (signal?.aborted) return undefined;
          const rows = part.map((row) => unpacked(segments, row));
          const batch = layOut(rows, shape);
          const { length } = batch.supervised;
          if (length > 0) sum += length * (await nextTokenLoss(batch));
          count += length;
        }
        const eval_loss = sum / count;
        if (!Number.isFinite(eval_loss))
          throw new DistillError(
            `The loss on evaluation_dataset is ${eval_loss}, of ${count} tokens. Try a lower learning_rate, or set trainer.precision to fp32.`,
          );
        return { score: -eval_loss, metrics: { eval_loss } };
      },
      describe: (score) => `eval_loss ${(-score).toFixed(4)}`,
    },
    curves: CURVES,
  };
}

const CURVES: Panel[] = [
  { title: "loss", lines: { loss: "training", cross_entropy: "training, cross-entropy", eval_loss: "validation" } },
];
