/**
 * @file What a step computes of folded matrices (compiler/folds.ts) that lie in flats: the matrices before the forward pass, and
 * the gradients of weights and norms after the backward pass.
 */

import type { Fold } from "../../compiler/folds.ts";
import { constant, input, type Value } from "../../graph/value.ts";
import type { Parameter } from "../../models/model.ts";
import { Concat, Gather, MatMul, Mul, Reshape } from "../../ops/index.ts";
import { slice } from "../../ops/movement.ts";
import type { Device, Program } from "../../runtime/device.ts";
import { sizeOf } from "./layout.ts";
import { type Flat, total } from "./runs.ts";

/** Norms in the order in which they begin their flat, and the place there of each folded weight's. */
export type Folding = { norms: readonly string[]; width: number; placeOf: ReadonlyMap<string, number> };

export function foldingOf(folds: readonly Fold[], parameters: readonly Parameter[]): Folding | undefined {
  const folded = new Set(folds.map(({ norm }) => norm));
  const norms = parameters.filter(({ name }) => folded.has(name));
  const [first] = norms;
  if (!first) return undefined;
  const names = norms.map(({ name }) => name);
  const placeOf = new Map(folds.flatMap(({ norm, of }) => of.map((name) => [name, names.indexOf(norm)] as const)));
  return { norms: names, width: sizeOf(first), placeOf };
}

/** Whether a gradient of the norms follows from this flat. */
export const isFolded = ({ parameters }: Flat, { placeOf }: Folding): boolean =>
  parameters.some(({ name }) => placeOf.has(name));

/** The units of a flat, [units, rows, width], of which those that are folded are all alike. */
const stackOf = (flat: Flat, { width }: Folding, x: Value): Value =>
  Reshape(x, { shape: [flat.units.length, total(flat) / width / flat.units.length, width] });

/** A flat whose units are multiplied by the weights of their norms, of the flat of the norms; by 1 where nothing is folded. */
export function byNorms(flat: Flat, folding: Folding, whole: Value, ofNorms: Value): Value {
  const { norms, width } = folding;
  const own = Reshape(slice(ofNorms, 0, 0, norms.length * width), { shape: [norms.length, width] });
  const places = placesOf(flat, folding);
  const one: Value = { data: 1, dtype: "float32", shape: [1, width] };
  const table = places.includes(undefined) ? Concat(own, one, { axis: 0 }) : own;
  const chosen = Int32Array.from(places, (place) => place ?? norms.length);
  const factors = Gather(table, constant(chosen, "int32", [chosen.length, 1]));
  return Reshape(Mul(stackOf(flat, folding, whole), factors), { shape: whole.shape });
}

/** The places of the norms of a flat's units. */
const placesOf = ({ units }: Flat, { placeOf }: Folding): (number | undefined)[] =>
  units.map((unit) => placeOf.get(unit[0]!.name));

/** Of dM in the place of dW: dW = dM∘w, and the sum of dM∘W over the rows of each unit, [units, width]. */
export function compileUnfold(device: Device, flat: Flat, folding: Folding, ofNorms: number): Promise<Program> {
  const [gradient, weight] = ["grad", "param"].map((name) => input(name, "float32", [total(flat)])) as [Value, Value];
  const product = stackOf(flat, folding, Mul(gradient, weight));
  const ones: Value = { data: 1, dtype: "float32", shape: [1, 1, product.shape[1]!] };
  const outputs = {
    flat: byNorms(flat, folding, gradient, input("norms", "float32", [ofNorms])),
    sums: Reshape(MatMul(ones, product), { shape: [flat.units.length, folding.width] }),
  };
  return device.compile(outputs, { keep: Object.keys(outputs) });
}

/** The gradients of the flat of the norms: from the sums of flats, s0, s1, …, and, behind them, those that are given as `direct`. */
export function compileNormGradients(
  device: Device,
  flats: readonly Flat[],
  folding: Folding,
  direct: number,
): Promise<Program> {
  const { norms, width } = folding;
  const places = flats.map((flat) => placesOf(flat, folding));
  const sums = places.map((of, i) => input(`s${i}`, "float32", [of.length, width]));
  const all = places.flat();
  const chosen = new Float32Array(norms.length * all.length);
  for (const [unit, place] of all.entries()) if (place !== undefined) chosen[place * all.length + unit] = 1;
  const whole = sums.length > 1 ? Concat(...sums, { axis: 0 }) : sums[0]!;
  const ofNorms = MatMul(constant(chosen, "float32", [norms.length, all.length]), whole);
  const folded = Reshape(ofNorms, { shape: [norms.length * width] });
  const flat = direct > 0 ? Concat(folded, input("direct", "float32", [direct]), { axis: 0 }) : folded;
  return device.compile({ flat }, { keep: ["flat"] });
}
