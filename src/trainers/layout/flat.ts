/**
 * @file Weights, moments and gradients laid end to end in a few flat states, for devices on which every kernel costs: a step
 * of AdamW is then a dozen kernels a flat rather than a tensor, and everything that it decides is decided on the device, so
 * that nothing waits for it. What forward and backward read are copies, one a weight and in their precision.
 */

import { type DType, input, type Value } from "../../graph/value.ts";
import type { Parameter } from "../../models/model.ts";
import { adamWOfFlat, FACTORS, guardedFactors, sumOfSquaresOfFlats } from "../../nn/adamw.ts";
import { Add, Cast, Concat, Div, Reshape } from "../../ops/index.ts";
import { split } from "../../ops/movement.ts";
import type { Device, Program } from "../../runtime/device.ts";
import { scalarTensor } from "../../runtime/tensor.ts";
import {
  decays,
  gradientName,
  INITIAL_STATE,
  type Layout,
  type LayoutOptions,
  type LossGraph,
  momentNames,
  type OptimizerState,
  type Report,
  sizeOf,
} from "./layout.ts";

/** Elements of a flat: what every adapter binds to a kernel is at least 128 MiB. */
const FLAT = 2 ** 25;

/** Outputs of a kernel that cuts a flat; with the flat itself within the least number of buffers that adapters allow. */
const FAN = 8;

/** Tensors that lie end to end in the order given, in states of these names. */
type Flat = { parameters: readonly Parameter[]; param: string; grad: string; m: string; v: string };

export async function flatLayout(
  device: Device,
  { scalars, gradients }: LossGraph,
  parameters: readonly Parameter[],
  options: LayoutOptions,
  initial: OptimizerState = INITIAL_STATE,
  size = FLAT,
): Promise<Layout> {
  const names = Object.keys(scalars);
  const backward = await device.compile({ ...gradients, ...scalars }, { keep: [...Object.keys(gradients), ...names] });
  const flats = layOut(parameters, size);
  const working: DType = options.half ? "float16" : "float32";
  const compileUpdate = (options: { decays: boolean; size?: number }): Promise<Program> => {
    const outputs = adamWOfFlat(options);
    return device.compile(outputs, { keep: Object.keys(outputs) });
  };
  const ordinary = [await compileUpdate({ decays: true }), await compileUpdate({ decays: false })];
  const updates: Program[] = [];
  for (const flat of flats) {
    const [decaying, size] = [decays(flat.parameters[0]!), total(flat)];
    // a size that is known lets what is too large for a kernel be cut
    updates.push(size > FLAT ? await compileUpdate({ decays: decaying, size }) : ordinary[decaying ? 0 : 1]!);
  }
  const gathered: { first: Program; next: Program }[] = [];
  for (const flat of flats) gathered.push(await compileGather(device, flat, working));
  const spread: Program[] = [];
  for (const flat of flats) spread.push(await compileSpread(device, flat, working));
  const control = await compileControl(device, flats, names.slice(1), options);
  const addScalars = await compileAdd(device, names);
  const toParts = Object.fromEntries(names.map((name) => [name, partOf(name)]));
  const toSums = Object.fromEntries(names.map((name) => [nextOf(name), name]));
  await adopt(device, flats, options.half, gathered, spread);
  for (const [name, value] of Object.entries(initial)) await device.write(stateName(name), scalarTensor(value));

  const lastRead = new Map<boolean, { name: string; data: Float32Array }>(); // of matrices, and of the rest
  const scale = { loss_scale: stateName("loss_scale") };

  return {
    nodes: backward.nodes,
    kernels(microBatches) {
      const more = gathered.reduce((sum, { next }) => sum + next.kernels, addScalars.kernels);
      return {
        "forward and backward": microBatches * backward.kernels,
        accumulate: gathered.reduce((sum, { first }) => sum + first.kernels, 0) + (microBatches - 1) * more,
        norm: control.kernels,
        optimizer: [...updates, ...spread].reduce((sum, { kernels }) => sum + kernels, 0),
      };
    },
    async step(batches, { learning_rate, max_grad_norm }) {
      lastRead.clear();
      for (const [k, batch] of batches.entries()) {
        await backward.run(batch, { reads: scale, writes: k === 0 ? {} : toParts });
        for (const [i, { parameters, grad }] of flats.entries()) {
          const names = parameters.map(({ name }) => gradientName(name));
          const program = k === 0 ? gathered[i]!.first : gathered[i]!.next;
          await program.run({}, { reads: { ...operands(names), sum: grad }, writes: { flat: grad } });
          await device.forget(...names);
        }
        if (k > 0) await addScalars.run({}, { writes: toSums });
      }
      const feeds = { learning_rate: scalarTensor(learning_rate), max_grad_norm: scalarTensor(max_grad_norm) };
      const states = Object.keys(initial);
      await control.run(feeds, {
        reads: Object.fromEntries(states.map((name) => [name, stateName(name)])),
        writes: Object.fromEntries([
          ...states.map((name) => [`next_${name}`, stateName(name)]),
          ...FACTORS.map((name) => [name, stateName(name)]),
        ]),
      });
      const factors = Object.fromEntries(FACTORS.map((name) => [name, stateName(name)]));
      for (const [i, flat] of flats.entries()) {
        const { param, grad, m, v } = flat;
        await updates[i]!.run(
          {},
          { reads: { ...factors, param, grad, m, v }, writes: { next_param: param, next_m: m, next_v: v } },
        );
        await spread[i]!.run({}, { reads: { flat: param }, writes: operands(flat.parameters.map(({ name }) => name)) });
      }
    },
    async report() {
      const { data } = await device.read("report");
      const numbers = Array.from(data as Float32Array);
      const known = Object.fromEntries(REPORT.map((name, i) => [name, numbers[i]!])) as Omit<Report, "metrics">;
      const metrics = names.slice(1).map((name, i): [string, number] => [name, numbers[REPORT.length + i]!]);
      return { ...known, metrics: Object.fromEntries(metrics) };
    },
    async read(name) {
      const { state, start, length, decaying } = locate(flats, name);
      const last = lastRead.get(decaying);
      const read = last?.name === state ? last : { name: state, data: (await device.read(state)).data as Float32Array };
      lastRead.set(decaying, read);
      return read.data.subarray(start, start + length);
    },
    async release() {
      if (options.half)
        for (const flat of flats) {
          const program = await compileSpread(device, flat, "float32");
          const names = flat.parameters.map(({ name }) => name);
          await program.run({}, { reads: { flat: flat.param }, writes: operands(names) });
        }
      await device.forget(...flats.flatMap(({ param, m, v }) => [param, m, v]));
    },
  };
}

const stateName = (name: string) => `optimizer/${name}`;

const REPORT = [
  "loss",
  "grad_norm",
  "loss_scale",
  "good_steps",
  "skipped_steps",
  "beta1_power",
  "beta2_power",
] as const satisfies (keyof Report)[];

const partOf = (name: string) => `part of ${name}`;
const nextOf = (name: string) => `next ${name}`;

/** Matrices apart from norms and biases, which do not decay; otherwise as many in a flat as fit. */
function layOut(parameters: readonly Parameter[], most: number): Flat[] {
  const groups: Parameter[][] = [];
  for (const decaying of [true, false]) {
    let room = 0;
    for (const parameter of parameters.filter((parameter) => decays(parameter) === decaying)) {
      const size = sizeOf(parameter);
      if (size > room) {
        groups.push([]);
        room = most;
      }
      groups.at(-1)!.push(parameter);
      room -= size;
    }
  }
  return groups.map((parameters, i) => {
    const param = `flat/${i}`;
    const [m, v] = momentNames(param);
    return { parameters, param, grad: gradientName(param), m, v };
  });
}

function locate(
  flats: readonly Flat[],
  name: string,
): { state: string; start: number; length: number; decaying: boolean } {
  for (const { parameters, param, m, v } of flats) {
    let start = 0;
    for (const parameter of parameters) {
      const length = sizeOf(parameter);
      const [firstMoment, secondMoment] = momentNames(parameter.name);
      const state = { [parameter.name]: param, [firstMoment]: m, [secondMoment]: v }[name];
      if (state) return { state, start, length, decaying: decays(parameter) };
      start += length;
    }
  }
  throw new Error(`"${name}" is neither a trained weight nor a moment of one.`);
}

/** The states that a program reads or writes as x0, x1, … */
const operands = (names: readonly string[]) => Object.fromEntries(names.map((name, i) => [`x${i}`, name]));

const total = ({ parameters }: Flat) => parameters.reduce((sum, parameter) => sum + sizeOf(parameter), 0);

/** Tensors x0, x1, … laid end to end, in float32; `next` adds them to `sum`. */
async function compileGather(device: Device, flat: Flat, dtype: DType): Promise<{ first: Program; next: Program }> {
  const pieces = flat.parameters.map((parameter, i) =>
    Reshape(input(`x${i}`, dtype, parameter.shape), { shape: [sizeOf(parameter)] }),
  );
  const joined = pieces.length > 1 ? Concat(...pieces, { axis: 0 }) : pieces[0]!;
  const whole = dtype === "float32" ? joined : Cast(joined, { to: "float32" });
  const sum = Add(input("sum", "float32", [total(flat)]), whole);
  const keep = ["flat"];
  return {
    first: await device.compile({ flat: whole }, { keep }),
    next: await device.compile({ flat: sum }, { keep }),
  };
}

/** The tensors of a flat, x0, x1, …, in the precision that they are computed with. */
function compileSpread(device: Device, flat: Flat, dtype: DType): Promise<Program> {
  const whole = input("flat", "float32", [total(flat)]);
  const pieces = cut(dtype === "float32" ? whole : Cast(whole, { to: dtype }), flat.parameters.map(sizeOf));
  const outputs = Object.fromEntries(
    flat.parameters.map(({ shape }, i): [string, Value] => [`x${i}`, Reshape(pieces[i]!, { shape })]),
  );
  return device.compile(outputs, { keep: Object.keys(outputs) });
}

/** x cut into pieces of these sizes, with no more than `FAN` outputs to a kernel. */
function cut(x: Value, sizes: readonly number[]): Value[] {
  if (sizes.length <= FAN) return split(x, 0, sizes);
  const width = FAN ** Math.ceil(Math.log(sizes.length) / Math.log(FAN) - 1);
  const groups = Array.from({ length: Math.ceil(sizes.length / width) }, (_, i) =>
    sizes.slice(i * width, (i + 1) * width),
  );
  const wholes = split(
    x,
    0,
    groups.map((group) => group.reduce((a, b) => a + b)),
  );
  return groups.flatMap((group, i) => cut(wholes[i]!, group));
}

/** `metrics` are the names of what is reported beside the loss. */
function compileControl(
  device: Device,
  flats: readonly Flat[],
  metrics: readonly string[],
  options: LayoutOptions,
): Promise<Program> {
  const grads = flats.map((flat) => input(flat.grad, "float32", [total(flat)]));
  const squares = sumOfSquaresOfFlats(grads);
  const { factors, grad_norm, next } = guardedFactors(squares, { ...options, scales: options.half });
  const state = (name: string) => input(name, "float32", []);
  const unscaled = (name: string) => (options.half ? Div(state(name), state("loss_scale")) : state(name));
  const values: Record<string, Value> = {
    loss_scale: state("loss_scale"),
    good_steps: state("good_steps"),
    ...next,
    loss: unscaled("loss"),
    grad_norm,
  };
  const reported = [...REPORT.map((name) => values[name]!), ...metrics.map(unscaled)];
  const report = Concat(...reported.map((value) => Reshape(value, { shape: [1] })), { axis: 0 });
  const outputs = {
    ...factors,
    ...Object.fromEntries(Object.entries(next).map(([name, value]) => [`next_${name}`, value])),
    report,
  };
  return device.compile(outputs, { keep: Object.keys(outputs) });
}

/** Each scalar with the part of another micro-batch added to it. */
function compileAdd(device: Device, names: readonly string[]): Promise<Program> {
  const sum = (name: string) => Add(input(name, "float32", []), input(partOf(name), "float32", []));
  const outputs = Object.fromEntries(names.map((name) => [nextOf(name), sum(name)]));
  return device.compile(outputs, { keep: Object.keys(outputs) });
}

/** Move weights and moments that are states of their own into the flats. */
async function adopt(
  device: Device,
  flats: readonly Flat[],
  half: boolean,
  gathered: readonly { first: Program }[],
  spread: readonly Program[],
): Promise<void> {
  for (const [i, flat] of flats.entries()) {
    const gather = half ? (await compileGather(device, flat, "float32")).first : gathered[i]!.first;
    const names = flat.parameters.map(({ name }) => name);
    const moments = names.map(momentNames);
    const sources: [string, string[]][] = [
      [flat.param, names],
      [flat.m, moments.map(([m]) => m)],
      [flat.v, moments.map(([, v]) => v)],
    ];
    for (const [state, from] of sources) await gather.run({}, { reads: operands(from), writes: { flat: state } });
    await device.forget(...moments.flat());
    if (half) await spread[i]!.run({}, { reads: { flat: flat.param }, writes: operands(names) });
  }
}
