/** @file What training will take, before it begins: from the graph, the data and two measured rates of the device. */

import { madeOfWeights } from "../compiler/made.ts";
import { estimator, type Sizes } from "../compiler/memory.ts";
import { type Spelling, spellingOf } from "../compiler/targets.ts";
import { type Batch, type BatchShape, layOut } from "../data/batch.ts";
import type { Segments } from "../data/example-store.ts";
import { type PackedRow, rowsOf, unpacked } from "../data/packing.ts";
import { elementsIn, type Model, type Parameter } from "../models/model.ts";
import type { Device } from "../runtime/device.ts";
import type { Rates } from "../runtime/probe.ts";
import { layOutRun } from "./epochs.ts";
import type { Objective } from "./objective.ts";
import type { TrainerOptions } from "./options.ts";
import { foldsNorms, lossAndGradients } from "./program.ts";
import { nextToken } from "./supervised.ts";
import { measurementsIn, type ValidationOptions } from "./validation.ts";

export type TrainingEstimate = {
  device: string;
  /** How its transposed products are spelled, where that differs from adapter to adapter. */
  products?: Spelling;
  parameters: number;
  trained_parameters: number;
  weights_mb: number;
  /** Of the size of what is trained, and twice that where others are added to them: on a GPU, and of several micro-batches. */
  gradients_mb: number;
  moments_mb: number;
  /** What forward and backward need at their peak, and what the CPU's allocator makes of it. */
  activations_mb: number;
  allocator_mb: number;
  /** Of these, the logits of one chunk of rows. */
  logits_mb: number;
  /** What measuring the loss on evaluation_dataset adds: a program of its own, and how long one measurement takes. */
  validation_mb?: number;
  seconds_per_validation?: number;
  /** Everything, on the device. */
  memory_mb: number;
  /** The same as the largest resident set of the process, where the device is its CPU. */
  peak_rss_mb: number | null;
  examples: number;
  rows: number;
  /** The share of the rows' room that holds tokens. */
  filled: number;
  steps: number;
  /** Tokens, on average. */
  tokens_per_step: number;
  gflop_per_step: number;
  seconds_per_step: number;
  seconds: number;
  tokens_per_s: number;
};

/** Micro-batches that are laid out for the sizes that only data says. */
const SAMPLE = 32;
const MB = 2 ** 20;
/** Bytes that ONNX Runtime keeps for a node of a program. */
const NODE = 7_000;
/** What its kernels take of code and threads once they run. */
const KERNELS = 24 * MB;

type More = {
  objective?: Pick<Objective<never>, "loss" | "reads">;
  /** What the loss is measured on meanwhile. */
  validation?: Segments;
  resident?: number;
};

/** What training will take on a device of these rates. */
export const estimateTraining = (
  model: Model,
  trained: readonly Parameter[],
  segments: Segments,
  options: TrainerOptions,
  on: Pick<Device, "name" | "target" | "resident">,
  rates: Rates,
  more: More = {},
): TrainingEstimate => trainingWork(model, trained, segments, options, on, more)(rates);

/**
 * The work of training, and what that takes at the rates of a device. `resident` is the process's resident set with the
 * device open and the data read. Memory is for the fullest micro-batches that were seen, time for the mean.
 */
export function trainingWork(
  model: Model,
  trained: readonly Parameter[],
  segments: Segments,
  options: TrainerOptions,
  on: Pick<Device, "name" | "target" | "resident">,
  { objective = nextToken, validation, resident = process.memoryUsage.rss() }: More = {},
): (rates: Rates) => TrainingEstimate {
  const { name: device, target } = on;
  const { rows, rowsPerStep, steps, shape } = layOutRun(on, model, segments, options);
  const batches = sampled(segments, rows, shape);
  const { loss, grads } = lossAndGradients(
    model,
    objective,
    shape,
    { rematerialize: options.gradient_checkpointing, fold: on.resident && foldsNorms(target) },
    trained,
  );
  const values = [...Object.values(grads), loss];
  const copies = on.resident && !options.gradient_checkpointing;
  const once = copies ? madeOfWeights(target, values, trained) : { outputs: values, made: [] };
  const estimate = estimator(once.outputs, target);
  const largest = estimate(sizesOf(shape, batches, Math.max, Math.min));
  const mean = estimate(sizesOf(shape, batches, average, average));

  const parameters = elementsIn([...model.parameters, ...(model.adapter?.parameters ?? [])]);
  const inputs = [...largest.input_bytes];
  const own = new Set(model.parameters.flatMap(({ name }) => model.storage(name).names));
  for (const { name } of [...trained, ...once.made]) own.add(name);
  for (const name of objective.reads ?? []) own.add(name);
  const bytesOf = (wanted: boolean) =>
    inputs.reduce((sum, [name, bytes]) => (own.has(name) === wanted ? sum + bytes : sum), 0);
  const unread = trained.filter(({ name }) => !largest.input_bytes.has(name)); // but in what is made of them
  const [weights, batch] = [bytesOf(true) + 4 * elementsIn(unread), bytesOf(false)];
  const optimized = 4 * elementsIn(trained);
  const microBatches = Math.min(rowsPerStep, rows.length) / shape.rows;
  const added = target.residency === "device" || (target.residency === "shared" && microBatches > 1);
  const gradients = added ? 2 * optimized : optimized;
  const moments = 2 * optimized;
  // in host memory the gradients of one micro-batch are part of what its program takes
  const state = weights + moments + (target.residency === "shared" ? gradients - optimized : gradients);
  const onCpu = device === "cpu";
  const program = onCpu ? largest.arena_bytes : largest.peak_bytes;
  const measuring = validation && foreseeValidation(model, validation, options, shape, on);
  const memory = state + program + batch + (measuring?.bytes ?? 0);
  const overhead = NODE * (largest.nodes + (measuring?.nodes ?? 0)) + KERNELS;

  const gflop_per_step = (mean.flops * microBatches) / 1e9;
  const moved = mean.moved_bytes * microBatches + OPTIMIZER * optimized;
  const times = measuring ? measurementsIn(steps, options as TrainerOptions & ValidationOptions) : 0;
  const tokens = segments.lengths.reduce((sum, length) => sum + length, 0);
  const tokens_per_step = (tokens / rows.length) * Math.min(rowsPerStep, rows.length);
  const work = {
    device,
    ...(target.measured ? { products: spellingOf(target) } : {}),
    parameters,
    trained_parameters: elementsIn(trained),
    weights_mb: megabytes(weights),
    gradients_mb: megabytes(gradients),
    moments_mb: megabytes(moments),
    activations_mb: megabytes(largest.peak_bytes),
    allocator_mb: megabytes(program),
    logits_mb: megabytes(4 * chunkRows(shape, batches) * (model.head.shape[0] as number)),
    ...(measuring ? { validation_mb: megabytes(measuring.bytes) } : {}),
    memory_mb: megabytes(memory),
    peak_rss_mb: onCpu ? megabytes(resident + memory + overhead) : null,
    examples: segments.length,
    rows: rows.length,
    filled: Number((tokens / (rows.length * shape.length)).toFixed(3)),
    steps,
    tokens_per_step: Math.round(tokens_per_step),
    gflop_per_step: Number(gflop_per_step.toPrecision(3)),
  };
  return (rates) => {
    const seconds_per_step = gflop_per_step / rates.matmul_gflops + moved / 1e9 / rates.elementwise_gb_s;
    const once = measuring?.seconds(rates);
    return {
      ...work,
      ...(once === undefined ? {} : { seconds_per_validation: Number(once.toPrecision(3)) }),
      seconds_per_step: Number(seconds_per_step.toPrecision(3)),
      seconds: Number((steps * seconds_per_step + times * (once ?? 0)).toPrecision(3)),
      tokens_per_s: Math.round(tokens_per_step / seconds_per_step),
    };
  };
}

/** The program that measures a loss, forward only, and how long it takes for all rows. */
function foreseeValidation(
  model: Model,
  segments: Segments,
  options: TrainerOptions,
  shape: BatchShape,
  { name, target }: Pick<Device, "name" | "target">,
) {
  const rows = rowsOf(segments, options);
  const { loss } = nextToken.loss(model.eval(), shape);
  const batches = sampled(segments, rows, shape);
  const estimate = estimator([loss], target);
  const largest = estimate(sizesOf(shape, batches, Math.max, Math.min));
  const mean = estimate(sizesOf(shape, batches, average, average));
  const one = (rates: Rates) =>
    mean.flops / 1e9 / rates.matmul_gflops + mean.moved_bytes / 1e9 / rates.elementwise_gb_s;
  return {
    bytes: name === "cpu" ? largest.arena_bytes : largest.peak_bytes,
    nodes: largest.nodes,
    seconds: (rates: Rates) => Math.ceil(rows.length / shape.rows) * one(rates),
  };
}

/** How often a step's optimizer, norm and copies pass over the weights' size. */
const OPTIMIZER = 10;

const megabytes = (bytes: number) => Math.round((10 * bytes) / MB) / 10;

/** Micro-batches from all over the data, the fullest among them. */
function sampled(segments: Segments, rows: readonly PackedRow[], shape: BatchShape): Batch[] {
  const supervised = rows.map((row) => row.reduce((sum, i) => sum + segments.supervised[i]!, 0));
  const fullest = [...rows.keys()]
    .sort((a, b) => supervised[b]! - supervised[a]!)
    .slice(0, shape.rows)
    .map((i) => rows[i]!);
  const stride = Math.max(1, Math.floor(rows.length / (SAMPLE * shape.rows)));
  const chosen = rows.filter((_, i) => i % stride === 0).slice(0, SAMPLE * shape.rows);
  const batches = [fullest];
  for (let i = 0; i < chosen.length; i += shape.rows) batches.push(chosen.slice(i, i + shape.rows));
  return batches.map((batch) =>
    layOut(
      batch.map((row) => unpacked(segments, row)),
      shape,
    ),
  );
}

type Combine = (...xs: number[]) => number;
const average: Combine = (...xs) => xs.reduce((a, b) => a + b, 0) / xs.length;

const chunkRows = ({ chunks }: BatchShape, batches: readonly Batch[], combine: Combine = Math.max) =>
  Math.max(1, Math.ceil(combine(...batches.map(({ supervised }) => supervised.length)) / chunks));

/** The sizes that a batch's data decides: supervised rows in a chunk, and the keys that each block of queries looks at. */
function sizesOf(shape: BatchShape, batches: readonly Batch[], most: Combine, first: Combine): Sizes {
  const { rows, length, block } = shape;
  const supervised = chunkRows(shape, batches, most);
  const start = (i: number) => first(...batches.map(({ keyStarts }) => keyStarts[i - 1]!));
  return (name) => {
    if (name === "supervised") return supervised;
    if (name === "slots") return supervised * shape.chunks + 1;
    const keys = /^(before_)?keys_(\d+)$/.exec(name);
    if (!keys) return rows * length; // no name of ours says more than that it is of tokens
    const i = Number(keys[2]);
    return keys[1] ? start(i) : Math.min(length, (i + 1) * block) - start(i);
  };
}

/** What happened. */
export type Actual = { steps: number; peak_rss_mb: number; seconds: number; tokens_per_s: number };

export function describeEstimate(e: TrainingEstimate): string[] {
  return [
    `On ${e.device}: weights ${e.weights_mb} MB, gradients ${e.gradients_mb} MB, moments ${e.moments_mb} MB,`,
    `forward and backward ${e.activations_mb} MB at their peak (logits ${e.logits_mb} MB), ${e.allocator_mb} MB with the allocator;`,
    ...(e.validation_mb === undefined
      ? []
      : [`measuring the loss ${e.validation_mb} MB more, and ${e.seconds_per_validation} s each time;`]),
    `${e.peak_rss_mb === null ? `${e.memory_mb} MB on the device` : `${e.peak_rss_mb} MB of resident memory in all`}.`,
    `${e.examples} examples in ${e.rows} rows, filled to ${Math.round(100 * e.filled)} %; ${e.steps} steps of ${e.tokens_per_step} tokens and ${e.gflop_per_step} GFLOP:`,
    ...(e.products
      ? [
          `products of the forward pass as ${e.products.forward}, of weights' gradients as ${e.products.weight_gradient};`,
        ]
      : []),
    `about ${e.seconds_per_step} s a step, ${e.seconds} s in all, ${e.tokens_per_s} tokens/s.`,
  ];
}

export function describeComparison(estimate: TrainingEstimate, actual: Actual): string {
  const seconds = (estimate.seconds_per_step * actual.steps).toPrecision(3);
  return [
    ...(estimate.peak_rss_mb === null ? [] : [`${actual.peak_rss_mb} MB of memory, foreseen ${estimate.peak_rss_mb}`]),
    `${actual.seconds} s for ${actual.steps} steps, foreseen ${Number(seconds)}`,
    `${actual.tokens_per_s} tokens/s, foreseen ${estimate.tokens_per_s}`,
  ].join("; ");
}
