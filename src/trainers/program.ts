/** @file The programs of training: loss and gradients of a batch, their sum, their norm, the optimizer's step. */

import { gradients } from "../compiler/gradients.ts";
import type { Batch, BatchShape } from "../data/batch.ts";
import { input, type Value } from "../graph/value.ts";
import type { Model, Parameter, Tokens } from "../models/model.ts";
import { type AdamWOptions, adamW, sumOfSquares } from "../nn/adamw.ts";
import { crossEntropy } from "../nn/cross-entropy.ts";
import { Add } from "../ops/index.ts";
import type { Device, Program } from "../runtime/device.ts";
import { scalarTensor, type Tensor, tensor } from "../runtime/tensor.ts";

export type TrainingOptions = AdamWOptions & {
  weight_decay: number;
  /** Keep only each layer's input for the backward pass. */
  rematerialize: boolean;
};

/** How one step of training is run. Weights, gradients and moments are states of the device. */
export type Training = {
  /** ONNX nodes of the program of loss and gradients. */
  readonly nodes: number;
  /** Add a batch's part to the gradients of the mean over `total` supervised tokens; returns its part of the mean loss. */
  accumulate(batch: Batch, total: number): Promise<number>;
  /**
   * The global norm of the gradients, which are then clipped to max_grad_norm and applied as step `step`, from 1. Where the
   * norm is not finite nothing is applied.
   */
  update(step: number, learning_rate: number, max_grad_norm: number): Promise<number>;
};

export const gradientName = (name: string) => `grad/${name}`;
export const momentNames = (name: string) => [`m/${name}`, `v/${name}`] as const;

/** Compile the programs of training `model` with batches of one shape. */
export async function compileTraining(
  device: Device,
  model: Model,
  shape: BatchShape,
  options: TrainingOptions,
): Promise<Training> {
  const { parameters } = model;
  const { loss, ...grads } = lossAndGradients(model, shape, options.rematerialize);
  const backward = await device.compile({ ...grads, loss }, { keep: Object.keys(grads) });
  const norm = await device.compile({ squares: gradientNorm(parameters) });
  const [update1, update2] = [
    await device.compileUpdate(adamW(1, options)),
    await device.compileUpdate(adamW(2, options)),
  ];
  let sum: { add1: Program; add2: Program } | undefined;
  let pending = 0;

  return {
    nodes: backward.nodes,
    async accumulate(batch, total) {
      const writes =
        pending === 0 ? {} : Object.fromEntries(parameters.map(({ name }) => [gradientName(name), `part/${name}`]));
      const { loss: part } = await backward.run(batchFeeds(batch, 1 / total), { writes });
      if (pending++ > 0) {
        sum ??= { add1: await compileSum(device, 1), add2: await compileSum(device, 2) };
        for (const { name, shape } of parameters) {
          const reads = { sum: gradientName(name), part: `part/${name}` };
          await (shape.length === 1 ? sum.add1 : sum.add2).run({}, { reads, writes: { next: gradientName(name) } });
        }
        await device.forget(...parameters.map(({ name }) => `part/${name}`));
      }
      return Number(part!.data[0]);
    },
    async update(step, learning_rate, max_grad_norm) {
      pending = 0;
      const { squares } = await norm.run({});
      const gradNorm = Math.sqrt(Number(squares!.data[0]));
      if (!Number.isFinite(gradNorm)) return gradNorm;
      const feeds = {
        learning_rate: scalarTensor(learning_rate),
        clip: scalarTensor(Math.min(1, max_grad_norm / (gradNorm + 1e-6))),
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
      return gradNorm;
    },
  };
}

/** The outputs of the program of loss and gradients. */
export function lossAndGradients(
  model: Model,
  shape: BatchShape,
  rematerialize: boolean,
): Record<string, Value> & { loss: Value } {
  const loss = batchLoss(model, shape, rematerialize);
  const names = model.parameters.map(({ name }) => name);
  const grads = gradients(
    loss,
    names.map((name) => model.weight(name)),
  );
  // from the last layer to the first, so that what a layer kept is freed when its gradients are done
  const outputs = names.map((name, i): [string, Value] => [gradientName(name), grads[i]!]).reverse();
  return { ...Object.fromEntries(outputs), loss };
}

/** The squared norm of the gradients. */
export const gradientNorm = (parameters: readonly Parameter[]): Value =>
  sumOfSquares(parameters.map(({ name, shape }) => input(gradientName(name), "float32", shape)));

/** Put moments of zero on the device, as before the first step. */
export async function resetMoments(device: Device, parameters: readonly Parameter[]): Promise<void> {
  for (const { name, shape } of parameters)
    for (const moment of momentNames(name))
      await device.write(moment, tensor("float32", shape, new Float32Array(shape.reduce((a, b) => a * b, 1))));
}

/** Weight decay acts on matrices, not on norms and biases. */
const decays = ({ shape }: Parameter) => shape.length > 1;

async function compileSum(device: Device, rank: number): Promise<Program> {
  const shape = ["rows", ...Array.from({ length: rank - 1 }, (_, i) => `size_${i}`)];
  const next = Add(input("sum", "float32", shape), input("part", "float32", shape));
  return device.compileUpdate({ next });
}

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
