/** @file What a law of training is: a sentence that must be true of any model on any data, and how to see whether it is. */

import { type Batch, batchShape, layOut, type Row, type Segment } from "../../data/batch.ts";
import type { TrainingRow } from "../../data/rows.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import type { ModelConfig, Weight } from "../../models/load.ts";
import type { LoraOptions } from "../../models/lora.ts";
import type { Model, ModelOptions, Parameter } from "../../models/model.ts";
import type { Device } from "../../runtime/device.ts";
import { tensor } from "../../runtime/tensor.ts";
import { gradientName } from "../layout/layout.ts";
import { compileTraining, resetMoments, type Training, type TrainingOptions } from "../program.ts";
import { nextToken } from "../supervised.ts";

/** What laws are tried on. */
export type Subject = {
  /** A CPU, where arithmetic is the same every time. */
  device: Device;
  /** Another device that is to agree with it. */
  other?: Device | undefined;
  config: ModelConfig;
  /** The model in float32, or as the options say. */
  model(options?: ModelOptions): Model;
  /** The weights of `parameters`, of all unless given; new arrays each time, which move to a device. */
  weights(parameters?: readonly Parameter[]): Iterable<Weight>;
  /** Rows as they are trained on, at least two; laws multiply their number and lengths, so they should be short. */
  segments: readonly Segment[];
  /** All rows of the dataset, as text. */
  rows?: readonly TrainingRow[];
  /** What errors call the dataset. */
  dataset?: string;
  tokenizer?: Tokenizer;
  options: TrainingOptions;
  /** The adapter that the recipe trains. */
  lora?: LoraOptions | undefined;
  /** Queries in a block of attention; as training chooses it unless given. */
  block?: number;
};

export type Finding = {
  status: "ok" | "failed" | "skipped";
  /** What was measured, or why nothing was. */
  found: string;
};

export type Law = {
  /** A sentence. */
  states: string;
  check(subject: Subject): Promise<Finding>;
};

export const verdict = (ok: boolean, found: string): Finding => ({ status: ok ? "ok" : "failed", found });

/** `rows` in a batch of rows of `length` tokens. */
export function batchOf({ config, block }: Subject, rows: readonly Row[], length: number): Batch {
  const shape = batchShape(rows.length, length, config.vocab_size as number);
  return layOut(rows, block ? { ...shape, block } : shape);
}

export const lengthOf = (row: Row) => row.reduce((sum, { tokens }) => sum + tokens.length, 0);

export const longest = (segments: readonly Segment[]) => Math.max(...segments.map((segment) => lengthOf([segment])));

/** Tokens that are predicted: the first of a segment never is. */
export const supervisedIn = (segments: readonly Segment[]) =>
  segments.reduce((sum, { supervised }) => sum + supervised.slice(1).filter(Boolean).length, 0);

/** Put the subject's weights on its device, and moments of zero. */
export async function placeWeights({ device, model, weights }: Subject, on: Device = device): Promise<Model> {
  const placed = model();
  for (const { name, shape, data } of weights()) await on.write(name, tensor("float32", shape, data));
  await resetMoments(on, placed.parameters);
  return placed;
}

/** The programs of training `parameters`, all of the model's own unless given. */
export const trainingOf = (
  { device, options }: Subject,
  model: Model,
  { shape }: Batch,
  on = device,
  parameters: readonly Parameter[] = model.parameters,
) => compileTraining(on, model, nextToken, shape, options, parameters);

/** The mean loss of micro-batches, whose gradients are on the device then; the weights stay as they are. */
export const lossOf = async (training: Training<Batch>, ...batches: Batch[]): Promise<number> =>
  (await training.step(batches, { learning_rate: 0, max_grad_norm: 1 })).loss;

/** The same with its gradients. */
export async function lossAndGradients(
  { device }: Subject,
  model: Model,
  training: Training<Batch>,
  batches: readonly Batch[],
): Promise<Result> {
  return { loss: await lossOf(training, ...batches), gradients: await readGradients(device, model) };
}

/** The gradients of the mean loss of what was accumulated, by weight. */
export async function readGradients(device: Device, model: Model): Promise<Map<string, Float32Array>> {
  const gradients = new Map<string, Float32Array>();
  for (const { name } of model.parameters)
    gradients.set(name, (await device.read(gradientName(name))).data as Float32Array);
  return gradients;
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

type Result = { loss: number; gradients: Map<string, Float32Array> };

/** Whether two results agree: the losses within 1e-5, and of each weight the gradients within `tolerance` of its largest. */
export function agreement(one: Result, other: Result, tolerance: number): Finding {
  const loss = Math.abs(one.loss - other.loss) / Math.abs(other.loss);
  let worst = { name: "", difference: 0 };
  for (const [name, gradient] of one.gradients) {
    const difference = relativeDifference(gradient, other.gradients.get(name)!);
    if (!(difference <= worst.difference)) worst = { name, difference };
  }
  const ok = loss <= 1e-5 && worst.difference <= tolerance;
  return verdict(
    ok,
    `losses ${one.loss.toFixed(5)} and ${other.loss.toFixed(5)}; gradients within ${worst.difference.toExponential(1)}${ok ? "" : ` (${worst.name}; expected ${tolerance})`}`,
  );
}
