/** @file Supervised fine-tuning: the loop. */

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { startProgress } from "../core/progress.ts";
import { deriveSeed, seededRandom } from "../core/random.ts";
import { batchShape, layOut } from "../data/batch.ts";
import type { Segments } from "../data/example-store.ts";
import { type PackedRow, rowsOf, unpacked } from "../data/packing.ts";
import type { Weight } from "../models/load.ts";
import type { Model, Parameter } from "../models/model.ts";
import { BASE_DTYPES } from "../models/storage.ts";
import type { Device } from "../runtime/device.ts";
import type { RunFolder } from "../store/run-folder.ts";
import { CHECKPOINTS, loadCheckpoint, pruneCheckpoints, saveCheckpoint, writeWeight } from "./checkpoint.ts";
import { dropoutMasks } from "./dropout.ts";
import type { Report } from "./optimizer/optimizer.ts";
import { choosePrecision, PRECISIONS, type Precision } from "./precision.ts";
import { compileTraining, resetMoments } from "./program.ts";
import { ScheduleOptions, scheduled } from "./schedule.ts";
import { nextToken } from "./supervised.ts";
import type { Trained } from "./trained.ts";

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
  /** What is computed in, with float32 weights, moments and statistics: auto is fp16 on a GPU that has it. */
  precision: z.enum(PRECISIONS).default("auto"),
  /** Names of weights that stay as they are; * stands for any characters. */
  freeze: z.array(z.string().min(1)).default([]),
  /** How matrices that are not trained are kept in memory. */
  base_dtype: z.enum(BASE_DTYPES).default("float32"),
  seed: z.int().nonnegative().default(0),
  logging_steps: z.int().positive().default(10),
  save_steps: z.int().positive().default(500),
  save_total_limit: z.int().positive().default(2),
});
export type SftOptions = z.output<typeof SftOptions>;

export type SftRun = {
  device: Device;
  model: Model;
  /** The part of the model that is trained; the rest is read as it is. */
  trained: Trained;
  /** The values to start from of those parameters of the model that no checkpoint holds. */
  weights: (parameters: readonly Parameter[]) => Iterable<Weight>;
  segments: Segments;
  options: SftOptions;
  /** Where checkpoints/ and metrics.jsonl go. */
  folder: RunFolder;
  /** What the run was started with: a checkpoint of another one is refused. */
  fingerprint: string;
  /** Stops the run after the step that is under way, with a checkpoint. */
  signal?: AbortSignal;
  /** Show no progress. */
  silent?: boolean;
};

/**
 * `loss` is the last step's; `tokens` were in the rows of all steps so far, those before a resumption too; `done` is what
 * this call did itself, without compiling and saving.
 */
export type SftResult = {
  step: number;
  steps: number;
  stopped: boolean;
  loss: number | null;
  tokens: number;
  done: { steps: number; tokens: number; seconds: number };
};

/** Train until the last step, from the newest checkpoint if there is one. The trained weights are states of the device. */
export async function trainSft(run: SftRun): Promise<SftResult> {
  const { device, model, trained, segments, options, folder, fingerprint, signal } = run;
  const { rows, rowsPerStep, stepsPerEpoch, steps, shape } = layOutRun(device, model, segments, options);
  const checkpoints = folder.place(CHECKPOINTS);
  const metrics = folder.place(METRICS);

  const resumed = await loadCheckpoint(device, trained, folder, fingerprint);
  const restored = new Set(resumed ? trained.parameters.map(({ name }) => name) : []);
  const missing = [...model.parameters, ...(model.adapter?.parameters ?? [])].filter(({ name }) => !restored.has(name));
  for (const weight of run.weights(missing)) await writeWeight(device, model, weight);
  if (!resumed) await resetMoments(device, trained.parameters);
  keepMetricsUntil(folder, resumed?.step ?? 0);
  const precision = await choosePrecision(device, options.precision);
  const settings = {
    beta1: options.adam_beta1,
    beta2: options.adam_beta2,
    epsilon: options.adam_epsilon,
    weight_decay: options.weight_decay,
    rematerialize: options.gradient_checkpointing,
    precision,
  };
  const { parameters } = trained;
  const training = await compileTraining(device, model, nextToken, shape, settings, parameters, resumed?.optimizer);

  let step = resumed?.step ?? 0;
  let saved = resumed?.step;
  let lastLoss: number | null = null;
  const done = { steps: 0, tokens: 0, seconds: 0 };
  let since = { tokens: 0, seconds: 0 }; // the last line of metrics
  let unseen: Step[] = []; // steps on which nobody has looked yet
  const look = async (): Promise<Report> => {
    const report = await training.report();
    const skipped_steps = report.skipped_steps - (resumed?.optimizer.skipped_steps ?? 0);
    refuseDivergence({ ...report, skipped_steps }, unseen, segments, precision, saved, checkpoints);
    unseen = [];
    lastLoss = report.loss;
    return report;
  };
  const save = async () => {
    const { loss: _, grad_norm: __, ...optimizer } = await look();
    await saveCheckpoint(training.read, trained, folder, { step, fingerprint, optimizer });
    pruneCheckpoints(folder, options.save_total_limit);
    saved = step;
  };
  const progress = run.silent ? undefined : startProgress("train", steps, "step", step);
  const order = epochOrder(rows, options.seed);
  while (step < steps && !signal?.aborted) {
    const start = performance.now();
    const chosen = rowsOfStep(order, step, stepsPerEpoch, rowsPerStep);
    const batches = chunksOf(chosen, options.per_device_train_batch_size).map((part) =>
      layOut(
        part.map((row) => unpacked(segments, row)),
        shape,
      ),
    );
    const supervised = batches.reduce((sum, batch) => sum + batch.supervised.length, 0);
    const masks = batches.map((_, i) =>
      dropoutMasks(model.adapter, shape, deriveSeed(options.seed, "dropout", step, i)),
    );
    step++;
    unseen.push({ step, rows: chosen });
    const learning_rate = options.learning_rate * scheduled(step, steps, options);
    await training.ask(batches, { learning_rate, max_grad_norm: options.max_grad_norm, masks });
    const logged = step % options.logging_steps === 0 || step === steps || step === 1;
    const saves = step % options.save_steps === 0 && step < steps;
    const report = logged || saves || !device.resident ? await look() : undefined;
    const [tokens, seconds] = [tokensIn(segments, chosen), (performance.now() - start) / 1000];
    done.steps++;
    for (const sum of [done, since]) {
      sum.tokens += tokens;
      sum.seconds += seconds;
    }
    if (report) {
      const { loss, grad_norm, loss_scale, skipped_steps } = report;
      const tokens_per_s = since.tokens / since.seconds;
      const half = precision === "fp16" ? { loss_scale, skipped_steps } : {};
      const epoch = step / stepsPerEpoch;
      const metric = { step, epoch, loss, grad_norm, learning_rate, tokens_per_s, supervised, ...half };
      if (logged) {
        appendFileSync(metrics, `${JSON.stringify(metric)}\n`);
        since = { tokens: 0, seconds: 0 };
      }
      progress?.update(
        step,
        `loss ${loss.toFixed(4)} · grad ${grad_norm.toFixed(3)} · lr ${learning_rate.toExponential(2)} · ${tokens_per_s.toFixed(0)} tokens/s` +
          (skipped_steps > 0 ? ` · ${skipped_steps} skipped` : ""),
      );
    }
    if (saves) await save();
  }
  progress?.end();
  if (saved !== step && step > 0) await save();
  await training.release();
  const all = Array.from({ length: step }, (_, i) => rowsOfStep(order, i, stepsPerEpoch, rowsPerStep));
  return { step, steps, stopped: step < steps, loss: lastLoss, tokens: tokensIn(segments, all.flat()), done };
}

type Step = { step: number; rows: readonly PackedRow[] };

const tokensIn = ({ lengths }: Segments, rows: readonly PackedRow[]) =>
  rows.reduce((sum, row) => row.reduce((tokens, i) => tokens + lengths[i]!, sum), 0);

/** A step that is not finite is passed over: in half precision the next scale of the loss may mend it, in full none does. */
function refuseDivergence(
  { loss, grad_norm, loss_scale, skipped_steps }: Report,
  unseen: readonly Step[],
  segments: Segments,
  precision: Precision,
  saved: number | undefined,
  checkpoints: string,
): void {
  if (precision === "fp16" ? loss_scale >= 1 : skipped_steps === 0 && Number.isFinite(loss)) return;
  const last = saved
    ? `The last good checkpoint is ${join(checkpoints, `step-${saved}`)}.`
    : "There is no checkpoint before it.";
  const what = Number.isFinite(loss) ? `The gradient's norm is ${grad_norm}` : `The loss is ${loss}`;
  const steps = unseen.map(({ step }) => step);
  const where = steps.length > 1 ? `in one of the steps ${steps[0]} to ${steps.at(-1)}` : `at step ${steps[0]}`;
  const numbers = unseen.flatMap(({ rows }) => rows.flat().map((i) => segments.rows[i]!));
  const some =
    numbers.length > 12 ? `${numbers.slice(0, 12).join(", ")} and ${numbers.length - 12} more` : numbers.join(", ");
  const cure =
    precision === "fp16"
      ? `Half precision overflows however little the loss is scaled: set trainer.precision to fp32.`
      : "Try a lower learning_rate or max_grad_norm.";
  throw new DistillError(
    `${what} ${where} (dataset rows ${some}), and training stopped before it was applied. ${last} ${cure}`,
  );
}

/** The rows of each epoch, shuffled by the seed and the epoch's number, so that a resumed run sees the same ones. */
function epochOrder(rows: readonly PackedRow[], seed: number): (epoch: number) => readonly PackedRow[] {
  let last: { epoch: number; rows: readonly PackedRow[] } | undefined;
  return (epoch) => {
    if (last?.epoch !== epoch) last = { epoch, rows: seededRandom(deriveSeed(seed, "epoch", epoch)).shuffled(rows) };
    return last.rows;
  };
}

/** The rows that segments make, how many steps are made of them, and the sizes of a micro-batch. */
export function layOutRun({ target }: Pick<Device, "target">, model: Model, segments: Segments, options: SftOptions) {
  const { max_length, max_steps, num_train_epochs, per_device_train_batch_size } = options;
  const rows = rowsOf(segments, options);
  const rowsPerStep = per_device_train_batch_size * options.gradient_accumulation_steps;
  const stepsPerEpoch = Math.ceil(rows.length / rowsPerStep);
  const steps = max_steps ?? Math.ceil(stepsPerEpoch * num_train_epochs);
  const vocab = model.head.shape[0] as number;
  const heads = target.fewKernels ? model.num_heads : undefined;
  const shape = batchShape(per_device_train_batch_size, max_length, vocab, heads);
  return { rows, rowsPerStep, stepsPerEpoch, steps, shape };
}

function rowsOfStep(
  order: (epoch: number) => readonly PackedRow[],
  step: number,
  stepsPerEpoch: number,
  rowsPerStep: number,
): readonly PackedRow[] {
  const first = (step % stepsPerEpoch) * rowsPerStep;
  return order(Math.floor(step / stepsPerEpoch)).slice(first, first + rowsPerStep);
}

const chunksOf = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

/** One JSON object a line, in the run's folder. */
export const METRICS = "metrics.jsonl";

/** Drop what a killed run logged after its last checkpoint: those steps are done again. */
function keepMetricsUntil(folder: RunFolder, step: number): void {
  const path = join(folder.path, METRICS);
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
  folder.writeFile(METRICS, whole.map((line) => `${line}\n`).join(""));
}
