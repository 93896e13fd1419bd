/** @file Supervised fine-tuning: the loop. */

import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { writeWhole } from "../core/files.ts";
import { startProgress } from "../core/progress.ts";
import { deriveSeed, seededRandom } from "../core/random.ts";
import { batchShape, layOut, type Row, type Segment } from "../data/batch.ts";
import { pack } from "../data/packing.ts";
import type { ModelConfig, Weight } from "../models/load.ts";
import type { Model } from "../models/model.ts";
import type { Device } from "../runtime/device.ts";
import { tensor } from "../runtime/tensor.ts";
import { loadCheckpoint, pruneCheckpoints, saveCheckpoint } from "./checkpoint.ts";
import { compileTraining, resetMoments } from "./program.ts";
import { ScheduleOptions, scheduled } from "./schedule.ts";

export const SftOptions = z.object({
  ...ScheduleOptions.shape,
  learning_rate: z.number().positive().default(2e-5),
  num_train_epochs: z.number().positive().default(1),
  /** Overrides num_train_epochs. */
  max_steps: z.int().positive().optional(),
  /** Rows in a micro-batch. */
  per_device_train_batch_size: z.int().positive().default(1),
  gradient_accumulation_steps: z.int().positive().default(1),
  /** Tokens in a row. */
  max_length: z.int().min(2).default(1024),
  /** What to do with an example that is longer than a row. It is never cut. */
  overlength: z.enum(["drop", "error"]).default("drop"),
  packing: z.boolean().default(true),
  weight_decay: z.number().nonnegative().default(0),
  adam_beta1: z.number().min(0).lt(1).default(0.9),
  adam_beta2: z.number().min(0).lt(1).default(0.999),
  adam_epsilon: z.number().positive().default(1e-8),
  max_grad_norm: z.number().positive().default(1),
  /** Keep only each layer's input for the backward pass and compute the rest again: less memory, a third more work. */
  gradient_checkpointing: z.boolean().default(false),
  seed: z.int().nonnegative().default(0),
  logging_steps: z.int().positive().default(10),
  save_steps: z.int().positive().default(500),
  save_total_limit: z.int().positive().default(2),
});
export type SftOptions = z.output<typeof SftOptions>;

export type SftRun = {
  device: Device;
  model: Model;
  config: ModelConfig;
  /** The weights to start from, asked for only when there is no checkpoint. */
  weights: () => Iterable<Weight>;
  segments: readonly Segment[];
  options: SftOptions;
  /** Where checkpoints/ and metrics.jsonl go. */
  output: string;
  /** What the run was started with: a checkpoint of another one is refused. */
  fingerprint: string;
  /** Stops the run after the step that is under way, with a checkpoint. */
  signal?: AbortSignal;
};

/** `loss` is the last step's; `tokens` were in the rows of all steps so far, those before a resumption too. */
export type SftResult = { step: number; steps: number; stopped: boolean; loss: number | null; tokens: number };

/** Train until the last step, from the newest checkpoint if there is one. The trained weights are states of the device. */
export async function trainSft(run: SftRun): Promise<SftResult> {
  const { device, model, config, options, output, fingerprint, signal } = run;
  const rows = options.packing ? pack(run.segments, options.max_length) : run.segments.map((segment): Row => [segment]);
  const rowsPerStep = options.per_device_train_batch_size * options.gradient_accumulation_steps;
  const stepsPerEpoch = Math.ceil(rows.length / rowsPerStep);
  const steps = options.max_steps ?? Math.ceil(stepsPerEpoch * options.num_train_epochs);
  const shape = batchShape(options.per_device_train_batch_size, options.max_length, model.head.shape[0] as number);
  const checkpoints = join(output, "checkpoints");
  const metrics = join(output, "metrics.jsonl");
  mkdirSync(output, { recursive: true });

  const resumed = await loadCheckpoint(device, model, checkpoints, fingerprint);
  if (!resumed) {
    for (const { name, shape, data } of run.weights()) await device.write(name, tensor("float32", shape, data));
    await resetMoments(device, model.parameters);
  }
  keepMetricsUntil(metrics, resumed?.step ?? 0);
  const training = await compileTraining(device, model, shape, {
    beta1: options.adam_beta1,
    beta2: options.adam_beta2,
    epsilon: options.adam_epsilon,
    weight_decay: options.weight_decay,
    rematerialize: options.gradient_checkpointing,
  });

  let step = resumed?.step ?? 0;
  let saved = resumed?.step;
  let lastLoss: number | null = null;
  const save = async () => {
    await saveCheckpoint(device, model, config, checkpoints, { step, fingerprint });
    pruneCheckpoints(checkpoints, options.save_total_limit);
    saved = step;
  };
  const progress = startProgress("train", steps, "step", step);
  const order = epochOrder(rows, options.seed);
  while (step < steps && !signal?.aborted) {
    const start = performance.now();
    const chosen = rowsOfStep(order, step, stepsPerEpoch, rowsPerStep);
    const batches = chunksOf(chosen, options.per_device_train_batch_size).map((part) => layOut(part, shape));
    const supervised = batches.reduce((sum, batch) => sum + batch.supervised.length, 0);
    const tokens = tokensOf(chosen);
    let loss = 0;
    for (const batch of batches) loss += await training.accumulate(batch, supervised);
    step++;
    if (!Number.isFinite(loss)) throw diverged(`The loss is ${loss}`, step, chosen, saved, checkpoints);
    lastLoss = loss;
    const learning_rate = options.learning_rate * scheduled(step, steps, options);
    const grad_norm = await training.update(step, learning_rate, options.max_grad_norm);
    if (!Number.isFinite(grad_norm))
      throw diverged(`The gradient's norm is ${grad_norm}`, step, chosen, saved, checkpoints);
    const tokens_per_s = (tokens / (performance.now() - start)) * 1000;
    const epoch = step / stepsPerEpoch;
    if (step % options.logging_steps === 0 || step === steps || step === 1)
      appendFileSync(
        metrics,
        `${JSON.stringify({ step, epoch, loss, grad_norm, learning_rate, tokens_per_s, supervised })}\n`,
      );
    progress.update(
      step,
      `loss ${loss.toFixed(4)} · grad ${grad_norm.toFixed(3)} · lr ${learning_rate.toExponential(2)} · ${tokens_per_s.toFixed(0)} tokens/s`,
    );
    if (step % options.save_steps === 0 && step < steps) await save();
  }
  progress.end();
  if (saved !== step && step > 0) await save();
  let tokens = 0;
  for (let done = 0; done < step; done++) tokens += tokensOf(rowsOfStep(order, done, stepsPerEpoch, rowsPerStep));
  return { step, steps, stopped: step < steps, loss: lastLoss, tokens };
}

const tokensOf = (rows: readonly Row[]) => rows.flat().reduce((sum, { tokens }) => sum + tokens.length, 0);

/** The rows of each epoch, shuffled by the seed and the epoch's number, so that a resumed run sees the same ones. */
function epochOrder(rows: readonly Row[], seed: number): (epoch: number) => readonly Row[] {
  let last: { epoch: number; rows: readonly Row[] } | undefined;
  return (epoch) => {
    if (last?.epoch !== epoch) last = { epoch, rows: seededRandom(deriveSeed(seed, "epoch", epoch)).shuffled(rows) };
    return last.rows;
  };
}

function rowsOfStep(
  order: (epoch: number) => readonly Row[],
  step: number,
  stepsPerEpoch: number,
  rowsPerStep: number,
): readonly Row[] {
  const first = (step % stepsPerEpoch) * rowsPerStep;
  return order(Math.floor(step / stepsPerEpoch)).slice(first, first + rowsPerStep);
}

const chunksOf = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

/** Drop what a killed run logged after its last checkpoint: those steps are done again. */
function keepMetricsUntil(path: string, step: number): void {
  if (!existsSync(path)) return;
  const whole = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => {
      try {
        return (JSON.parse(line) as { step: number }).step <= step;
      } catch {
        return false; // the line that was being written when the run was killed
      }
    });
  writeWhole(path, whole.map((line) => `${line}\n`).join(""));
}

function diverged(
  what: string,
  step: number,
  rows: readonly Row[],
  saved: number | undefined,
  checkpoints: string,
): DistillError {
  const last = saved
    ? `The last good checkpoint is ${join(checkpoints, `step-${saved}`)}.`
    : "There is no checkpoint before it.";
  const numbers = rows.flat().flatMap(({ row }) => row ?? []);
  const batch =
    numbers.length > 12 ? `${numbers.slice(0, 12).join(", ")} and ${numbers.length - 12} more` : numbers.join(", ");
  return new DistillError(
    `${what} at step ${step} (dataset rows ${batch}), and training stopped before it was applied. ${last} Try a lower learning_rate or max_grad_norm.`,
  );
}
