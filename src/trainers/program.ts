/** @file The programs of training: an objective's loss and gradients, their sum, their norm, the optimizer's step. */

import { type Fold, foldNorms, joinSiblings } from "../compiler/folds.ts";
import { gradients } from "../compiler/gradients.ts";
import type { Target } from "../compiler/targets.ts";
import type { BatchShape, Batch as TokenBatch } from "../data/batch.ts";
import { substitute } from "../graph/rewrite.ts";
import { input, toposort, type Value } from "../graph/value.ts";
import type { Model, Parameter } from "../models/model.ts";
import type { AdamWOptions } from "../nn/adamw.ts";
import { Cast } from "../ops/index.ts";
import { split } from "../ops/movement.ts";
import type { Device, Program } from "../runtime/device.ts";
import { type Tensor, tensor } from "../runtime/tensor.ts";
import { compileLayout } from "./layout/create.ts";
import {
  gradientName,
  type LossGraph,
  momentNames,
  type OptimizerState,
  type Report,
  type StepSettings as UpdateSettings,
} from "./layout/layout.ts";
import type { Losses, LossOptions, Objective } from "./objective.ts";
import type { Precision } from "./precision.ts";
import { nextToken, nextTokenFeeds } from "./supervised.ts";

export type TrainingOptions = AdamWOptions & {
  weight_decay: number;
  /** Keep only each layer's input for the backward pass. */
  rematerialize: boolean;
  /** What the forward and backward pass compute in; weights, moments and statistics are float32 all the same. */
  precision?: Precision;
  /** Whether nobody else reads the trained weights as states of their names until `release`. */
  alone?: boolean;
};

/** How one step of training is run. Weights, gradients and moments are states of the device. */
export type Training<Batch> = {
  /** ONNX nodes of the program of loss and gradients. */
  readonly nodes: number;
  /** Kernels of a step of so many micro-batches, by what they are for. */
  kernels(microBatches?: number): Record<string, number>;
  /**
   * One step of the optimizer for the loss of its micro-batches, of which there is at least one. Where the loss or the norm
   * of its gradients is not finite nothing is applied.
   */
  step(batches: readonly Batch[], settings: StepSettings): Promise<Report>;
  /** The same without waiting for what came of it. */
  ask(batches: readonly Batch[], settings: StepSettings): Promise<void>;
  /** What came of the last step: waits for it. */
  report(): Promise<Report>;
  /** The mean over a batch's supervised tokens of -log p(token) by the weights of the moment: forward only, nothing changes. */
  nextTokenLoss(batch: TokenBatch): Promise<number>;
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
 * Compile the programs that minimise an objective over some of the parameters of `model`, with batches of one shape, from the
 * weights and moments on the device. The other weights are only read.
 */
export async function compileTraining<Batch>(
  device: Device,
  model: Model,
  objective: Objective<Batch>,
  shape: BatchShape,
  options: TrainingOptions,
  parameters: readonly Parameter[] = model.parameters,
  initial?: OptimizerState,
): Promise<Training<Batch>> {
  const half = options.precision === "fp16";
  const computed = half ? model.as("float16") : model;
  const scale = half ? input("loss_scale", "float32", []) : undefined;
  const { rematerialize } = options;
  const fold = device.resident && foldsNorms(device.target);
  const { loss, metrics, grads, folds } = lossAndGradients(
    computed,
    objective,
    shape,
    { rematerialize, scale, fold },
    parameters,
  );
  const scalars = { loss, ...metrics };
  const trained = new Set(parameters.map(({ name }) => name));
  const own = new Set(model.parameters.flatMap(({ name }) => model.storage(name).names));
  const others = new Set(objective.reads);
  const read = toposort(...Object.values(scalars)).flatMap(({ name }) => (name && !trained.has(name) ? [name] : []));
  const frozen = new Set(read.filter((name) => own.has(name) || others.has(name)));
  const isWhole = (name: string) => others.has(name) || model.storage(name).whole().name === name;
  const narrows = ({ name }: Value) =>
    (frozen.has(name!) && isWhole(name!)) || (!device.resident && trained.has(name!));
  const inHalf = (outputs: readonly Value[]) => (half ? narrowed(outputs, narrows) : [...outputs]);
  const computedIn = inHalf([...Object.values(scalars), ...Object.values(grads)]);
  // the flat optimizer narrows weights and widens gradients itself
  const widened = (x: Value) => (half && !device.resident ? Cast(x, { to: "float32" }) : x);
  const named = (names: readonly string[], values: readonly Value[]) =>
    Object.fromEntries(names.map((name, i) => [name, values[i]!]));
  const names = Object.keys(scalars);
  const graph = {
    scalars: named(names, computedIn) as LossGraph["scalars"],
    gradients: named(Object.keys(grads), computedIn.slice(names.length).map(widened)),
    folds,
  };
  const layout = await compileLayout(device, graph, parameters, { ...options, half }, initial);
  const ask = (batches: readonly Batch[], { masks = [], ...settings }: StepSettings): Promise<void> =>
    layout.step(
      objective.feeds(batches).map((feeds, i) => ({ ...feeds, ...masks[i] })),
      settings,
    );

  let forward: Promise<Program> | undefined;
  const compileForward = () => device.compile({ loss: inHalf([nextToken.loss(computed.eval(), shape).loss])[0]! });

  return {
    nodes: layout.nodes,
    kernels: (microBatches = 1) => layout.kernels(microBatches),
    async step(batches, settings) {
      await ask(batches, settings);
      return layout.report();
    },
    ask,
    report: layout.report,
    async nextTokenLoss(batch) {
      forward ??= compileForward();
      await layout.weights();
      const { loss } = await (await forward).run(nextTokenFeeds(batch, 1 / batch.supervised.length));
      return Number(loss!.data[0]);
    },
    read: layout.read,
    async release() {
      await (await forward)?.release();
      await layout.release();
    },
  };
}

/** Whether weights of norms are taken into matrices, which are then made once a step. */
export const foldsNorms = ({ fewKernels, gemmTransB }: Target): boolean => fewKernels === true && !gemmTransB;

/**
 * The loss of a batch, what is logged beside it, and the gradients by the names of their states. With `fold` they are those of
 * folded matrices in place of their parts', and none of the norms.
 */
export function lossAndGradients(
  model: Model,
  objective: Pick<Objective<never>, "loss">,
  shape: BatchShape,
  { fold = false, ...options }: LossOptions & { fold?: boolean } = {},
  parameters: readonly Parameter[] = model.parameters,
): Required<Pick<Losses, "loss" | "metrics">> & { grads: Record<string, Value>; folds: readonly Fold[] } {
  const { loss, metrics = {}, weights = {} } = objective.loss(model, shape, options);
  const trained = new Set(fold ? parameters.map(({ name }) => name) : []);
  const { outputs, folded } = foldNorms([loss, ...Object.values(metrics)], trained);
  const within = new Set(folded.flatMap(({ norm, of }) => [norm, ...of]));
  const own = parameters.filter(({ name }) => !within.has(name));
  const made = gradients(outputs[0]!, [
    ...own.map(({ name }) => weights[name] ?? model.weight(name)),
    ...folded.map(({ matrix }) => matrix),
  ]);
  const joined = joinSiblings([...outputs, ...made.slice(0, own.length)], made.slice(own.length), folded);
  const unfolded = substitute([...joined.others, ...joined.ofMatrices], joined.standIns);
  const grads = unfolded.slice(outputs.length);
  const byName = new Map(own.map(({ name }, i) => [name, grads[i]!]));
  for (const [i, { of }] of joined.folded.entries()) {
    const rows = of.map((name) => parameters.find((parameter) => parameter.name === name)!.shape[0]!);
    for (const [k, part] of split(grads[own.length + i]!, 0, rows).entries()) byName.set(of[k]!, part);
  }
  // from the last layer to the first, so that what a layer kept is freed when its gradients are done
  const ordered = parameters.flatMap(({ name }): [string, Value][] => {
    const grad = byName.get(name);
    return grad ? [[gradientName(name), grad]] : [];
  });
  return {
    loss: unfolded[0]!,
    metrics: Object.fromEntries(Object.keys(metrics).map((name, i) => [name, unfolded[i + 1]!])),
    grads: Object.fromEntries(ordered.reverse()),
    folds: joined.folded.map(({ norm, of }) => ({ norm, of })),
  };
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
