/**
 * @file Weights, moments and gradients laid end to end in a few flat states, for devices on which every kernel costs: a step
 * of AdamW is then a dozen kernels a flat rather than a tensor, and everything that it decides is decided on the device, so
 * that nothing waits for it. What forward and backward read are copies, one a weight and in their precision.
 */

import { madeOfWeights } from "../../compiler/made.ts";
import { readingAllKeys } from "../../generation/tokens.ts";
import { elements } from "../../graph/shape.ts";
import { type DType, type TensorType, toposort, type Value } from "../../graph/value.ts";
import type { Parameter } from "../../models/model.ts";
import { adamWOfFlat, FACTORS, updatedInPlace } from "../../nn/adamw.ts";
import type { Device, Program } from "../../runtime/device.ts";
import { scalarTensor } from "../../runtime/tensor.ts";
import {
  compileControl,
  compileGather,
  compileSpread,
  compileSums,
  nextOf,
  operands,
  partOf,
  piecesOf,
  REPORT,
} from "./flat-programs.ts";
import { compileNormGradients, compileUnfold, foldingOf, isFolded } from "./folded.ts";
import {
  decays,
  INITIAL_STATE,
  type Layout,
  type LayoutOptions,
  type LossGraph,
  momentNames,
  type OptimizerState,
  type Report,
  sizeOf,
} from "./layout.ts";
import { type Flat, layOut, total } from "./runs.ts";

/** Elements of a flat: what every adapter binds to a kernel is at least 128 MiB. */
const FLAT = 2 ** 25;

export async function flatLayout(
  device: Device,
  { scalars, gradients, folds = [] }: LossGraph,
  parameters: readonly Parameter[],
  options: LayoutOptions,
  initial: OptimizerState = INITIAL_STATE,
  size = FLAT,
): Promise<Layout> {
  const names = Object.keys(scalars);
  // where layers keep nothing but their inputs there is no memory for copies of weights either
  const madeOnce = (values: readonly Value[]): ReturnType<typeof madeOfWeights> =>
    options.rematerialize ? { outputs: values, made: [] } : madeOfWeights(device.target, values, parameters);
  const { made } = madeOnce(Object.values(gradients));
  const folding = foldingOf(folds, parameters);
  const flats = layOut(parameters, size, { made, folds, first: folding?.norms ?? [] });
  const ofNorms = flats.find(({ parameters }) => parameters[0]!.name === folding?.norms[0]);
  const folded = folding ? flats.filter((flat) => isFolded(flat, folding)) : [];
  // sums of float32 that half precision would narrow are taken as they are
  const wide = options.half && device.target.sumsByProducts;
  const matrices = new Set(parameters.filter(decays).map(({ name }) => name));
  const pieces = flats.map((flat) =>
    piecesOf(flat, gradients, wide ? (name) => (matrices.has(name) ? "float16" : "float32") : undefined),
  );
  const computed = new Map(pieces.flat().map(({ name, value }) => [name, value]));
  const ordered = Object.keys(gradients).filter((name) => computed.has(name));
  // its launches can be repeated, since what it reads and writes stays where it is
  const keep = [...ordered, ...names];
  const values = readingAllKeys([...ordered.map((name) => computed.get(name)!), ...Object.values(scalars)]);
  const reading = madeOnce(values).outputs;
  const outputs = Object.fromEntries(keep.map((name, i) => [name, reading[i]!]));
  const backward = await device.compile(outputs, { keep, capture: true });
  const working: DType = options.half ? "float16" : "float32";
  const compileUpdate = (options: { decays: boolean; size?: number }): Promise<Program> => {
    const outputs = adamWOfFlat(options);
    return device.compile(outputs, { keep: Object.keys(outputs), over: updatedInPlace(options) });
  };
  const ordinary = [await compileUpdate({ decays: true }), await compileUpdate({ decays: false })];
  const updates: Program[] = [];
  for (const flat of flats) {
    const [decaying, size] = [decays(flat.parameters[0]!), total(flat)];
    // a size that is known lets what is too large for a kernel be cut
    updates.push(size > FLAT ? await compileUpdate({ decays: decaying, size }) : ordinary[decaying ? 0 : 1]!);
  }
  const gathered: { first: Program; next: Program }[] = [];
  for (const tensors of pieces)
    gathered.push(
      await compileGather(
        device,
        tensors.map(({ value }) => value),
      ),
    );
  const scaled = folding && ofNorms ? { folding, norms: total(ofNorms) } : undefined;
  const read = new Set(toposort(...reading).flatMap(({ name }) => name ?? []));
  const isPlain = ({ name }: Parameter) => !options.alone || read.has(name);
  const plain = flats.map(({ parameters }) => parameters.filter(isPlain));
  /** Weights that are read only in what is made of them, or by nobody. */
  const unread = flats.map(({ parameters }) => parameters.filter((parameter) => !isPlain(parameter)));
  const spread: Program[] = [];
  for (const [i, flat] of flats.entries()) spread.push(await compileSpread(device, flat, working, plain[i]!, scaled));
  const unfold: Program[] = [];
  for (const flat of folded) unfold.push(await compileUnfold(device, flat, folding!, total(ofNorms!)));
  const direct = pieces[flats.indexOf(ofNorms!)]?.reduce((sum, { value }) => sum + elements(value.shape), 0) ?? 0;
  const normGradients = folding && (await compileNormGradients(device, folded, folding, direct));
  /** Where gradients of micro-batches are added up. */
  const sumState = (flat: Flat) => (flat === ofNorms ? `direct ${flat.grad}` : flat.grad);
  const control = await compileControl(device, flats, names.slice(1), options);
  const sums = await compileSums(device, names);
  const toParts = Object.fromEntries(names.map((name) => [name, partOf(name)]));
  const toSums = Object.fromEntries(names.map((name) => [nextOf(name), name]));
  /** Write what is computed with. */
  const spreadOut = async (i: number) => {
    const flat = flats[i]!;
    const states = [...plain[i]!, ...flat.made];
    const scaled = flat.made.some(({ by }) => by);
    const reads = { flat: flat.param, ...(scaled && { norms: ofNorms!.param }) };
    if (states.length > 0) await spread[i]!.run({}, { reads, writes: operands(namesOf(states)) });
  };
  /** Write weights alone, of each flat. */
  const write = async (weights: readonly (readonly Parameter[])[], dtype: DType) => {
    for (const [i, tensors] of weights.entries()) {
      if (tensors.length === 0) continue;
      const program = await compileSpread(device, { ...flats[i]!, made: [] }, dtype, tensors);
      await program.run({}, { reads: { flat: flats[i]!.param }, writes: operands(namesOf(tensors)) });
      await program.release();
    }
  };
  await adopt(device, flats);
  for (const [i, flat] of flats.entries()) if (options.half || flat.made.length > 0) await spreadOut(i);
  await device.forget(...namesOf(unread.flat()));
  let whole = unread.flat().length === 0;
  for (const [name, value] of Object.entries(initial)) await device.write(stateName(name), scalarTensor(value));

  const lastRead = new Map<boolean, { name: string; data: Float32Array }>(); // of matrices, and of the rest
  const scale = { loss_scale: stateName("loss_scale") };

  return {
    nodes: backward.nodes,
    kernels(microBatches) {
      const more = gathered.reduce((sum, { next }) => sum + next.kernels, sums.next.kernels);
      return {
        "forward and backward": microBatches * backward.kernels,
        accumulate:
          gathered.reduce((sum, { first }) => sum + first.kernels, sums.first.kernels) + (microBatches - 1) * more,
        norm: control.kernels,
        optimizer: [...updates, ...spread].reduce((sum, { kernels }) => sum + kernels, 0),
        ...(normGradients ? { unfold: [...unfold, normGradients].reduce((sum, { kernels }) => sum + kernels, 0) } : {}),
      };
    },
    async step(batches, { learning_rate, max_grad_norm }) {
      lastRead.clear();
      if (whole && unread.flat().length > 0) {
        whole = false;
        await device.forget(...namesOf(unread.flat()));
      }
      for (const [k, batch] of batches.entries()) {
        await backward.run(batch, { reads: scale, writes: toParts });
        for (const [i, flat] of flats.entries()) {
          const names = pieces[i]!.map(({ name }) => name);
          if (names.length === 0) continue;
          const program = k === 0 ? gathered[i]!.first : gathered[i]!.next;
          const sum = sumState(flat);
          await program.run({}, { reads: { ...operands(names), sum }, writes: { flat: sum } });
        }
        await (k === 0 ? sums.first : sums.next).run({}, { writes: toSums });
      }
      await device.undivided(async () => {
        for (const [i, { grad, param }] of folded.entries()) {
          const reads = { grad, param, norms: ofNorms!.param };
          await unfold[i]!.run({}, { reads, writes: { flat: grad, sums: sumsOf(grad) } });
        }
        if (normGradients) {
          const sums = Object.fromEntries(folded.map(({ grad }, i) => [`s${i}`, sumsOf(grad)]));
          const reads = { ...sums, ...(direct > 0 && { direct: sumState(ofNorms!) }) };
          await normGradients.run({}, { reads, writes: { flat: ofNorms!.grad } });
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
        }
        for (const i of flats.keys()) await spreadOut(i);
      });
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
    async weights() {
      if (!whole) await write(unread, working);
      whole = true;
    },
    async release() {
      if (options.half)
        await write(
          flats.map(({ parameters }) => parameters),
          "float32",
        );
      else if (!whole) await write(unread, "float32");
      const made = flats.flatMap((flat) => flat.made.map(({ name }) => name));
      await device.forget(...flats.flatMap(({ param, m, v }) => [param, m, v]), ...made);
    },
  };
}

const stateName = (name: string) => `optimizer/${name}`;

const namesOf = (of: readonly { name: string }[]) => of.map(({ name }) => name);

const sumsOf = (grad: string) => `sums of ${grad}`;

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

/** Move weights and moments that are states of their own into the flats. */
async function adopt(device: Device, flats: readonly Flat[]): Promise<void> {
  for (const flat of flats) {
    const tensors = flat.parameters.map(({ shape }): TensorType => ({ dtype: "float32", shape }));
    const gather = (await compileGather(device, tensors)).first;
    const names = flat.parameters.map(({ name }) => name);
    const moments = names.map(momentNames);
    const sources: [string, string[]][] = [
      [flat.param, names],
      [flat.m, moments.map(([m]) => m)],
      [flat.v, moments.map(([, v]) => v)],
    ];
    for (const [state, from] of sources) await gather.run({}, { reads: operands(from), writes: { flat: state } });
    await device.forget(...moments.flat());
  }
}
