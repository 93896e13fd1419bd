/** @file The programs of training: loss and gradients of a batch, their sum, their norm, the optimizer's step. */

import { gradients } from "../compiler/gradients.ts";
import type { Batch, BatchShape } from "../data/batch.ts";
import { input, toposort, type Value } from "../graph/value.ts";
import type { Model, Parameter, Tokens } from "../models/model.ts";
import { type AdamWOptions, adamW } from "../nn/adamw.ts";
import { crossEntropy } from "../nn/cross-entropy.ts";
import type { Device } from "../runtime/device.ts";
import { scalarTensor, type Tensor, tensor } from "../runtime/tensor.ts";
import { compileBackward } from "./backward.ts";

export type TrainingOptions = AdamWOptions & {
  weight_decay: number;
  /** Keep only each layer's input for the backward pass. */
  rematerialize: boolean;
};

/** How one step of training is run. Weights, gradients and moments are states of the device. */
export type Training = {
  /** ONNX nodes of the program of loss and gradients. */
  readonly nodes: number;
  /**
   * One step of the optimizer for the mean loss over all supervised tokens of its micro-batches, of which there is at least
   * one. Where the loss or the norm of its gradients is not finite nothing is applied.
   */
  step(batches: readonly Batch[], settings: StepSettings): Promise<StepResult>;
};

export type StepSettings = {
  /** The step's number, from 1. */
  step: number;
  learning_rate: number;
  /** The global norm to which larger gradients are clipped. */
  max_grad_norm: number;
  /** Inputs of the model beside each micro-batch: the masks of dropout. */
  masks?: readonly Record<string, Tensor>[];
};

/** `grad_norm` is the global norm before it is clipped. */
export type StepResult = { loss: number; grad_norm: number };

export const gradientName = (name: string) => `grad/${name}`;
export const momentNames = (name: string) => [`m/${name}`, `v/${name}`] as const;

/** Compile the programs of training some of the parameters of `model` with batches of one shape. The others are only read. */
export async function compileTraining(
  device: Device,
  model: Model,
  shape: BatchShape,
  options: TrainingOptions,
  parameters: readonly Parameter[] = model.parameters,
): Promise<Training> {
  const { loss, grads } = lossAndGradients(model, shape, options.rematerialize, parameters);
  const trained = new Set(parameters.map(({ name }) => name));
  const own = new Set(model.parameters.flatMap(({ name }) => model.storage(name).names));
  const read = toposort(loss).flatMap(({ name }) => (name === undefined || trained.has(name) ? [] : name));
  const backward = await compileBackward(device, loss, grads, {
    batched: new Set(read.filter((name) => !own.has(name))),
    frozen: new Set(read.filter((name) => own.has(name))),
  });
  const [update1, update2] = [
    await device.compileUpdate(adamW(1, options)),
    await device.compileUpdate(adamW(2, options)),
  ];

  return {
    nodes: backward.nodes,
    async step(batches, { step, learning_rate, max_grad_norm, masks = [] }) {
      const total = batches.reduce((count, { supervised }) => count + supervised.length, 0);
      const { loss, squares } = await backward.run(
        batches.map((batch, i) => ({ ...batchFeeds(batch, 1 / total), ...masks[i] })),
      );
      const grad_norm = Math.sqrt(squares);
      if (!Number.isFinite(loss) || !Number.isFinite(grad_norm)) return { loss, grad_norm };
      const feeds = {
        learning_rate: scalarTensor(learning_rate),
        clip: scalarTensor(Math.min(1, max_grad_norm / (grad_norm + 1e-6))),
        bias1: scalarTensor(1 - options.beta1 ** step),
        bias2: scalarTensor(1 - options.beta2 ** step),
      };
      // asked all at once, so that the device never waits for the next
      const updates = parameters.map((parameter) => {
        const { name } = parameter;
        const [m, v] = momentNames(name);
        const weight_decay = scalarTensor(decays(parameter) ? options.weight_decay : 0);
        const bindings = {
          reads: { param: name, grad: gradientName(name), m, v },
          writes: { next_param: name, next_m: m, next_v: v },
        };
        return (parameter.shape.length === 1 ? update1 : update2).run({ ...feeds, weight_decay }, bindings);
      });
      await Promise.all(updates);
      return { loss, grad_norm };
    },
  };
}

/** The loss of a batch, and its gradients by the names of their states. */
export function lossAndGradients(
  model: Model,
  shape: BatchShape,
  rematerialize: boolean,
  parameters: readonly Parameter[] = model.parameters,
): { loss: Value; grads: Record<string, Value> } {
  const loss = batchLoss(model, shape, rematerialize);
  const grads = gradients(
    loss,
    parameters.map(({ name }) => model.weight(name)),
  );
  // from the last layer to the first, so that what a layer kept is freed when its gradients are done
  const outputs = parameters.map(({ name }, i): [string, Value] => [gradientName(name), grads[i]!]).reverse();
  return { loss, grads: Object.fromEntries(outputs) };
}

/** Put moments of zero on the device, as before the first step. */
export async function resetMoments(device: Device, parameters: readonly Parameter[]): Promise<void> {
  for (const { name, shape } of parameters)
    for (const moment of momentNames(name))
      await device.write(moment, tensor("float32", shape, new Float32Array(shape.reduce((a, b) => a * b, 1))));
}

/** Weight decay acts on matrices, not on norms and biases. */
const decays = ({ shape }: Parameter) => shape.length > 1;

/** Σ weight · negative log-likelihood of a batch: a scalar of the inputs that batchFeeds gives. */
export function batchLoss(model: Model, shape: BatchShape, rematerialize = false): Value {
  const hidden = model.hidden(tokenInputs(shape), { rematerialize });
  const chunks = Array.from({ length: shape.chunks }, (_, i) => ({
    rows: input(`rows_${i}`, "int32", ["supervised"]),
    labels: input(`labels_${i}`, "int32", ["supervised", 1]),
    weights: input(`weights_${i}`, hidden.dtype, ["supervised", 1]),
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
