/** @file What is computed on flats beside a step of AdamW: they are filled, cut into what is computed with, and judged. */

import { type Made, ofMany } from "../../compiler/made.ts";
import type { Target } from "../../compiler/targets.ts";
import { elements, sameShape } from "../../graph/shape.ts";
import { type Dim, type DType, input, scalar, type TensorType, type Value } from "../../graph/value.ts";
import type { Parameter } from "../../models/model.ts";
import { guardedFactors, sumOfSquaresOfFlats } from "../../nn/adamw.ts";
import { Add, Cast, Concat, Div, Part, Reshape } from "../../ops/index.ts";
import { cutInFew, Split } from "../../ops/movement.ts";
import type { Device, Program } from "../../runtime/device.ts";
import { byNorms, type Folding } from "./folded.ts";
import { gradientName, type LayoutOptions, type Report } from "./layout.ts";
import { FAN, type Flat, namesOf, rowsIn, total, type Unit } from "./runs.ts";

/** What is reported beside the metrics, in its order. */
export const REPORT = [
  "loss",
  "grad_norm",
  "loss_scale",
  "good_steps",
  "skipped_steps",
  "beta1_power",
  "beta2_power",
] as const satisfies (keyof Report)[];

export const partOf = (name: string) => `part of ${name}`;
export const nextOf = (name: string) => `next ${name}`;

/** The states that a program reads or writes as x0, x1, … */
export const operands = (names: readonly string[]) => Object.fromEntries(names.map((name, i) => [`x${i}`, name]));

/**
 * The shape of a row of tensors that are joined into a flat, or cut from it: all are whole rows. Where they differ in their
 * first axis only, what is cut is such a tensor as it lies; elsewhere rows are as long as can be.
 */
function rowOf(target: Target, tensors: readonly { shape: readonly Dim[] }[]): readonly number[] {
  const rest = tensors[0]!.shape.slice(1);
  const alike = tensors.every(({ shape }) => sameShape(shape.slice(1), rest));
  if (alike && !target.cutsByTables) return rest as number[];
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  return [tensors.map(({ shape }) => elements(shape)).reduce(divisor)];
}

/** Something as rows of this shape. */
const inRows = (x: Value, row: readonly number[]): Value =>
  Reshape(x, { shape: [elements(x.shape) / elements(row), ...row] });

/** Tensors x0, x1, …, all of one element type, laid end to end, in float32; `next` adds them to `sum`. */
export async function compileGather(
  device: Device,
  tensors: readonly TensorType[],
): Promise<{ first: Program; next: Program }> {
  // elements where nothing is to be gained by rows: what is joined is the flat as it lies
  const row = device.target.cutsByTables ? rowOf(device.target, tensors) : [];
  const pieces = tensors.map(({ dtype, shape }, i) => inRows(input(`x${i}`, dtype, shape), row));
  const rows = pieces.length > 1 ? Concat(...pieces, { axis: 0 }) : pieces[0]!;
  const joined = Reshape(rows, { shape: [elements(rows.shape)] });
  const whole = rows.dtype === "float32" ? joined : Cast(joined, { to: "float32" });
  const sum = Add(input("sum", "float32", joined.shape), whole);
  const keep = ["flat"];
  return {
    first: await device.compile({ flat: whole }, { keep }),
    next: await device.compile({ flat: sum }, { keep }),
  };
}

/** Gradients of neighbours in a flat that are computed as one tensor, by the name of the first. */
export type Piece = { name: string; value: Value };

/**
 * What is computed of the gradients of a flat: those that one tensor was cut into are that tensor again, and their shapes are
 * left aside. What does not decay is summed anyway, and is taken in the precision that `sums` has.
 */
export function piecesOf(
  { parameters }: Flat,
  gradients: Record<string, Value>,
  sums?: (name: string) => DType,
): Piece[] {
  const bare = (x: Value): Value => (x.node?.op === Reshape ? bare(x.node.inputs[0]!) : x);
  const computed = parameters.filter(({ name }) => gradients[gradientName(name)]);
  const values = computed.map(({ name }) => bare(gradients[gradientName(name)]!));
  const pieces: Piece[] = [];
  for (let i = 0; i < values.length; ) {
    const name = gradientName(computed[i]!.name);
    const whole = wholeOf(values.slice(i));
    const value = whole ? bare(whole.value) : values[i]!;
    const dtype = sums?.(computed[i]!.name) ?? value.dtype;
    pieces.push({ name, value: value.dtype === dtype ? value : Cast(value, { to: dtype }) });
    i += whole ? whole.count : 1;
  }
  return pieces;
}

/** What the first of these, and some that follow, are all pieces of along the first axis. */
function wholeOf([first, ...others]: readonly Value[]): { value: Value; count: number } | undefined {
  const pieces = first!.node?.op === Part ? first!.node.inputs[0]! : undefined;
  if (pieces?.node?.op !== Split) return undefined;
  const { axis, sizes } = pieces.node.attrs as { axis: number; sizes: readonly number[] };
  const parts = [first!, ...others].slice(0, sizes.length);
  const inOrder = parts.every(
    ({ node }, i) => node?.op === Part && node.inputs[0] === pieces && (node.attrs as { index: number }).index === i,
  );
  return axis === 0 && parts.length === sizes.length && inOrder
    ? { value: pieces.node.inputs[0]!, count: sizes.length }
    : undefined;
}

/**
 * Tensors of a flat, x0, x1, …, then what is made of it, in the precision that they are computed with. Where they are
 * multiplied by norms first, the flat of these is `norms`.
 */
export function compileSpread(
  device: Device,
  flat: Flat,
  dtype: DType,
  tensors: readonly Parameter[] = flat.parameters,
  scaled?: { folding: Folding; norms: number },
): Promise<Program> {
  const whole = input("flat", "float32", [total(flat)]);
  const row = rowOf(device.target, flat.parameters);
  const rowsOf = (x: Value): Value => (dtype === "float32" ? inRows(x, row) : Cast(inRows(x, row), { to: dtype }));
  const rows = rowsOf(whole);
  const sizes = flat.parameters.map((parameter) => rowsIn([parameter], elements(row)));
  const pieces = cutInFew(rows, 0, sizes, FAN).map((piece, i) => Reshape(piece, { shape: flat.parameters[i]!.shape }));
  const [plain, multiplied] = [flat.made.filter(({ by }) => !by), flat.made.filter(({ by }) => by)];
  const made = new Map(madeOf(flat.units, rows, plain));
  if (multiplied.length > 0) {
    const product = byNorms(flat, scaled!.folding, whole, input("norms", "float32", [scaled!.norms]));
    for (const [name, value] of madeOf(flat.units, rowsOf(product), multiplied)) made.set(name, value);
  }
  const wanted = new Set(tensors);
  const values = [
    ...pieces.filter((_, i) => wanted.has(flat.parameters[i]!)),
    ...flat.made.map(({ name }) => made.get(name)!),
  ];
  const outputs = Object.fromEntries(values.map((value, i) => [`x${i}`, value]));
  return device.compile(outputs, { keep: Object.keys(outputs) });
}

/** What is made of units, or of each weight in them, by its name: of many alike at once, of rows that hold them all. */
function madeOf(units: readonly Unit[], rows: Value, made: readonly Made[]): [string, Value][] {
  const ofUnits = new Map(units.map((unit, i) => [namesOf(unit), i]));
  const ofWeights = new Map(units.flat().map(({ name }, i) => [name, i]));
  const alike = new Map<string, { one: Made; place: number; count: number }[]>();
  for (const one of made) {
    const [whole, single] = [ofUnits.get(one.of.join()), ofWeights.get(one.of[0]!)];
    if (whole === undefined && (one.of.length > 1 || single === undefined)) continue;
    const count = whole === undefined ? ofWeights.size : units.length;
    const kind = `[${one.shape}] ${one.perm} ${count}`;
    alike.set(kind, [...(alike.get(kind) ?? []), { one, place: whole ?? single!, count }]);
  }
  return [...alike.values()].flatMap((all) => {
    const { one, count } = all[0]!;
    const [first, ...rest] = one.value.shape as [number, ...number[]];
    const many = Reshape(ofMany(one, rows), { shape: [count * first, ...rest] });
    const each = cutInFew(many, 0, new Array<number>(count).fill(first), FAN);
    return all.map(({ one, place }): [string, Value] => [one.name, each[place]!]);
  });
}

/** `metrics` are the names of what is reported beside the loss. */
export function compileControl(
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

/** The sum of each scalar's parts: `first` begins it with the part of a micro-batch, `next` adds another's. */
export async function compileSums(
  device: Device,
  names: readonly string[],
): Promise<{ first: Program; next: Program }> {
  const part = (name: string) => input(partOf(name), "float32", []);
  const compile = (sum: (name: string) => Value) => {
    const outputs = Object.fromEntries(names.map((name) => [nextOf(name), sum(name)]));
    return device.compile(outputs, { keep: Object.keys(outputs) });
  };
  return {
    first: await compile((name) => Add(part(name), scalar(0))),
    next: await compile((name) => Add(input(name, "float32", []), part(name))),
  };
}
