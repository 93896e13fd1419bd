/** @file The programs of training: loss and gradients of a batch, their sum, their norm, the optimizer's step. */

import { gradients } from "../compiler/gradients.ts";
import type { Batch, BatchShape } from "../data/batch.ts";
import { tokenFeeds, tokenInputs } from "../generation/tokens.ts";
import { substitute } from "../graph/rewrite.ts";
import { input, toposort, type Value } from "../graph/value.ts";
import type { Model, Parameter } from "../models/model.ts";
import type { AdamWOptions } from "../nn/adamw.ts";
import { crossEntropy } from "../nn/cross-entropy.ts";
import { Cast, Mul } from "../ops/index.ts";
import type { Device } from "../runtime/device.ts";
import { type Tensor, tensor } from "../runtime/tensor.ts";
import { createOptimizer } from "./optimizer/create.ts";
import {
  gradientName,
  momentNames,
  type OptimizerState,
  type Report,
  type StepSettings as UpdateSettings,
} from "./optimizer/optimizer.ts";
import type { Precision } from "./precision.ts";

export type TrainingOptions = AdamWOptions & {
  weight_decay: number;
  /** Keep only each layer's input for the backward pass. */
  rematerialize: boolean;
  /** What the forward and backward pass compute in; weights, moments and statistics are float32 all the same. */
  precision?: Precision;
};

/** How one step of training is run. Weights, gradients and moments are states of the device. */
export type Training = {
  /** ONNX nodes of the program of loss and gradients. */
  readonly nodes: number;
  /** Kernels of a step of so many micro-batches, by what they are for. */
  kernels(microBatches?: number): Record<string, number>;
  /**
   * One step of the optimizer for the mean loss over all supervised tokens of its micro-batches, of which there is at least
   * one. Where the loss or the norm of its gradients is not finite nothing is applied.
   */
  step(batches: readonly Batch[], settings: StepSettings): Promise<Report>;
  /** The same without waiting for what came of it. */
  ask(batches: readonly Batch[], settings: StepSettings): Promise<void>;
  /** What came of the last step: waits for it. */
  report(): Promise<Report>;
  /** A trained weight or a moment in float32. */
  read(name: string): Promise<Float32Array>;
  /** End training: the weights are left as float32 states of their names. */
  release(): Promise<void>;
};

export type StepSettings = UpdateSettings & {
  /** Inputs of the model beside each micro-batch: the masks of dropout. */
  masks?: readonly Record<string, Tensor>[];
};

/**
 * Compile the programs of training some of the parameters of `model` with batches of one shape, from the weights and moments
 * on the device. The other weights are only read.
 */
export async function compileTraining(
  device: Device,
  model: Model,
  shape: BatchShape,
  options: TrainingOptions,
  parameters: readonly Parameter[] = model.parameters,
  initial?: OptimizerState,
): Promise<Training> {
  const half = options.precision === "fp16";
  const computed = half ? model.as("float16") : model;
  const scale = half ? input("loss_scale", "float32", []) : undefined;
  const { loss, grads } = lossAndGradients(computed, shape, options.rematerialize, parameters, scale);
  const trained = new Set(parameters.map(({ name }) => name));
  const own = new Set(model.parameters.flatMap(({ name }) => model.storage(name).names));
  const read = toposort(loss).flatMap(({ name }) => (name === undefined || trained.has(name) ? [] : name));
  const frozen = new Set(read.filter((name) => own.has(name)));
  const outputs = [loss, ...Object.values(grads)];
  const narrows = ({ name }: Value) =>
    (frozen.has(name!) && model.storage(name!).whole().name === name) || (!device.resident && trained.has(name!));
  const [first, ...rest] = half ? narrowed(outputs, narrows) : outputs;
  // the flat optimizer narrows weights and widens gradients itself
  const widened = (x: Value) => (half && !device.resident ? Cast(x, { to: "float32" }) : x);
  const graph = {
    loss: first!,
    gradients: Object.fromEntries(Object.keys(grads).map((name, i) => [name, widened(rest[i]!)])),
    batched: new Set(read.filter((name) => !own.has(name) && name !== scale?.name)),
    frozen,
  };
  const optimizer = await createOptimizer(device, graph, parameters, { ...options, half }, initial);
  const ask = (batches: readonly Batch[], { masks = [], ...settings }: StepSettings): Promise<void> => {
    const total = batches.reduce((count, { supervised }) => count + supervised.length, 0);
    return optimizer.step(
      batches.map((batch, i) => ({ ...batchFeeds(batch, 1 / total), ...masks[i] })),
      settings,
    );
  };

  return {
    nodes: optimizer.nodes,
    kernels: (microBatches = 1) => optimizer.kernels(microBatches),
    async step(batches, settings) {
      await ask(batches, settings);
      return optimizer.report();
    },
    ask,
    report: optimizer.report,
    read: optimizer.read,
    release: optimizer.release,
  };
}

/** The loss of a batch, times `scale`, and its gradients by the names of their states. */
export function lossAndGradients(
  model: Model,
  shape: BatchShape,
  rematerialize: boolean,
  parameters: readonly Parameter[] = model.parameters,
  scale?: Value,
): { loss: Value; grads: Record<string, Value> } {
  const loss = batchLoss(model, shape, rematerialize, scale);
  const grads = gradients(
    loss,
    parameters.map(({ name }) => model.weight(name)),
  );
  // from the last layer to the first, so that what a layer kept is freed when its gradients are done
  const outputs = parameters.map(({ name }, i): [string, Value] => [gradientName(name), grads[i]!]).reverse();
  return { loss, grads: Object.fromEntries(outputs) };
}

/** Weights that are kept in float32 are narrowed where they are used. */
function narrowed(outputs: readonly Value[], kept32: (weight: Value) => boolean): Value[] {
  const kept = toposort(...outputs).filter((x) => x.name && x.dtype === "float16" && kept32(x));
  const casts = kept.map((x): [Value, Value] => [x, Cast(input(x.name!, "float32", x.shape), { to: "float16" })]);
  return substitute(outputs, new Map(casts));
}

/** Put moments of zero on the device, as before the first step. */
export async function resetMoments(device: Device, parameters: readonly Parameter[]): Promise<void> {
  for (const { name, shape } of parameters)
    for (const moment of momentNames(name))
      await device.write(moment, tensor("float32", shape, new Float32Array(shape.reduce((a, b) => a * b, 1))));
}

/** Σ weight · negative log-likelihood of a batch, times `scale`: a scalar of the inputs that batchFeeds gives. */
export function batchLoss(model: Model, shape: BatchShape, rematerialize = false, scale?: Value): Value {
  const hidden = model.hidden(tokenInputs(shape), { rematerialize });
  const dtype = hidden.dtype === "float16" ? "float32" : hidden.dtype;
  const weights = (i: number) => input(`weights_${i}`, dtype, ["supervised", 1]);
  const chunks = Array.from({ length: shape.chunks }, (_, i) => ({
    rows: input(`rows_${i}`, "int32", ["supervised"]),
    labels: input(`labels_${i}`, "int32", ["supervised", 1]),
    weights: scale ? Mul(weights(i), scale) : weights(i),
  }));
  return crossEntropy(hidden, model.head, input("slots", "int32", [shape.rows * shape.length]), chunks);
}

/** The tensors for batchLoss, with the same weight for every supervised position. */
export function batchFeeds(
  batch: Batch,
  weight: number,
  dtype: "float32" | "float64" = "float32",
): Record<string, Tensor> {
  const { supervised, shape } = batch;
  const size = Math.max(1, Math.ceil(supervised.length / shape.chunks));
  const slots = new Int32Array(shape.rows * shape.length).fill(size * shape.chunks);
  supervised.forEach(({ position }, i) => {
    slots[position] = i;
  });
  const feeds: Record<string, Tensor> = { ...tokenFeeds(batch), slots: tensor("int32", [slots.length], slots) };
  for (let i = 0; i < shape.chunks; i++) {
    const chunk = supervised.slice(i * size, (i + 1) * size);
    const padded = <T>(value: (at: (typeof chunk)[number]) => T, pad: T) =>
      Array.from({ length: size }, (_, k) => (chunk[k] ? value(chunk[k]) : pad));
    feeds[`rows_${i}`] = tensor(
      "int32",
      [size],
      padded(({ position }) => position, 0),
    );
    feeds[`labels_${i}`] = tensor(
      "int32",
      [size, 1],
      padded(({ label }) => label, 0),
    );
    feeds[`weights_${i}`] = tensor(
      dtype,
      [size, 1],
      padded(() => weight, 0),
    );
  }
  return feeds;
}
