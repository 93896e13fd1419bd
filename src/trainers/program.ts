/** @file The programs of training: loss and gradients of a batch, their sum, their norm, the optimizer's step. */

import { gradients } from "../compiler/gradients.ts";
import type { Batch, BatchShape } from "../data/batch.ts";
import { input, type Value } from "../graph/value.ts";
import type { Model, Parameter, Tokens } from "../models/model.ts";
import type { AdamWOptions } from "../nn/adamw.ts";
import { crossEntropy } from "../nn/cross-entropy.ts";
import { Mul } from "../ops/index.ts";
import type { Device, Program } from "../runtime/device.ts";
import { type Tensor, tensor } from "../runtime/tensor.ts";
import { createOptimizer } from "./optimizer/create.ts";
import { gradientName, momentNames, type OptimizerState, type Report } from "./optimizer/optimizer.ts";
import type { Precision } from "./precision.ts";

export type TrainingOptions = AdamWOptions & {
  weight_decay: number;
  /** Keep only each layer's input for the backward pass. */
  rematerialize: boolean;
  /** What the forward and backward pass compute in; weights, moments and statistics are float32 all the same. */
  precision?: Precision;
};

export type StepOptions = { step: number; learning_rate: number; max_grad_norm: number };

/** How one step of training is run. Weights, gradients and moments are states of the device. */
export type Training = {
  /** ONNX nodes of the program of loss and gradients. */
  readonly nodes: number;
  /** Kernels of a step of so many micro-batches, by what they are for. */
  kernels(microBatches?: number): Record<string, number>;
  /** One step on micro-batches whose supervised tokens are `total` in all. Waits for nothing that it does not need. */
  step(batches: readonly Batch[], total: number, options: StepOptions): Promise<void>;
  /** What was true after the last step: waits for it. */
  report(): Promise<Report>;
  /** Add a batch's part to the gradients of the mean over `total` supervised tokens; returns its part of the mean loss. */
  accumulate(batch: Batch, total: number): Promise<number>;
  /**
   * The global norm of the gradients, which are then clipped to max_grad_norm and applied as step `step`, from 1. Where the
   * norm is not finite nothing is applied.
   */
  update(step: number, learning_rate: number, max_grad_norm: number): Promise<number>;
  /** A weight or a moment in float32. */
  read(name: string): Promise<Float32Array>;
  /** End training: the weights are left as float32 states of their names. */
  release(): Promise<void>;
};

/** Compile the programs of training `model` with batches of one shape, from the weights and moments on the device. */
export async function compileTraining(
  device: Device,
  model: Model,
  shape: BatchShape,
  options: TrainingOptions,
  initial?: OptimizerState,
): Promise<Training> {
  const half = options.precision === "fp16";
  const { parameters } = model;
  const computed = half ? model.as("float16") : model;
  const scale = half ? input("loss_scale", "float32", []) : undefined;
  const loss = batchLoss(computed, shape, options.rematerialize, scale);
  const grads = gradients(
    loss,
    parameters.map(({ name }) => computed.weight(name)),
  );
  // from the last layer to the first, so that what a layer kept is freed when its gradients are done
  const outputs = parameters.map(({ name }, i): [string, Value] => [gradientName(name), grads[i]!]).reverse();
  const optimizer = await createOptimizer(device, parameters, { ...options, half }, initial);
  const backward = await device.compile({ ...Object.fromEntries(outputs), loss }, { keep: optimizer.keep });
  const accumulate = (batch: Batch, total: number) => {
    const feeds = batchFeeds(batch, 1 / total);
    return optimizer.accumulate((bindings) => backward.run(feeds, bindings));
  };

  return {
    nodes: backward.nodes,
    kernels(microBatches = 1) {
      const runs = {
        "forward and backward": new Array<Program>(microBatches).fill(backward),
        ...optimizer.runs(microBatches),
      };
      const counts = Object.entries(runs).map(([part, programs]) => [
        part,
        sum(programs.map(({ kernels }) => kernels)),
      ]);
      return Object.fromEntries(counts);
    },
    async step(batches, total, { step, learning_rate, max_grad_norm }) {
      for (const batch of batches) await accumulate(batch, total);
      await optimizer.update(step, learning_rate, max_grad_norm);
    },
    report: optimizer.report,
    accumulate: async (batch, total) => (await accumulate(batch, total))(),
    async update(step, learning_rate, max_grad_norm) {
      await optimizer.update(step, learning_rate, max_grad_norm);
      return (await optimizer.report()).grad_norm;
    },
    read: optimizer.read,
    release: optimizer.release,
  };
}

const sum = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0);

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

/** The inputs of a program that reads a batch's tokens. */
export function tokenInputs({ rows, length, block }: BatchShape): Tokens {
  return {
    rows,
    length,
    block,
    input_ids: input("input_ids", "int32", [rows * length]),
    positions: input("positions", "int64", [rows, length]),
    segmentStarts: input("segment_starts", "float32", [rows, 1, 1, length, 1]),
    keyStarts: Array.from({ length: Math.ceil(length / block) - 1 }, (_, i) => input(`key_start_${i}`, "int64", [1])),
  };
}

/** The tensors for tokenInputs. */
export function tokenFeeds({
  shape: { rows, length },
  input_ids,
  positions,
  segmentStarts,
  keyStarts,
}: Batch): Record<string, Tensor> {
  return {
    input_ids: tensor("int32", [rows * length], input_ids),
    positions: tensor("int64", [rows, length], positions),
    segment_starts: tensor("float32", [rows, 1, 1, length, 1], segmentStarts),
    ...Object.fromEntries(keyStarts.map((start, i) => [`key_start_${i}`, tensor("int64", [1], [start])])),
  };
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
