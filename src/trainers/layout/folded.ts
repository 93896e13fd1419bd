/**
 * @file What a step computes of folded matrices (compiler/folds.ts) that lie in flats: the matrices before the forward pass, and
 * the gradients of weights and norms after the backward pass. Flats are seen as rows of the norms' width.
 */

import type { Fold } from "../../compiler/folds.ts";
import { constant, input, type Value } from "../../graph/value.ts";
import type { Parameter } from "../../models/model.ts";
import { Concat, Gather, MatMul, Mul, Reshape } from "../../ops/index.ts";
import { cutInFew, slice } from "../../ops/movement.ts";
import type { Device, Program } from "../../runtime/device.ts";
import { sizeOf } from "./layout.ts";
import { FAN, type Flat, rowsIn, runsOf, total } from "./runs.ts";

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

/** What each row of a flat is multiplied by, [rows, width], of the flat of the norms: 1 where nothing is folded. */
export function factorsOf(flat: Flat, { norms, width, placeOf }: Folding, ofNorms: Value): Value {
  const own = Reshape(slice(ofNorms, 0, 0, norms.length * width), { shape: [norms.length, width] });
  const one: Value = { data: 1, dtype: "float32", shape: [1, width] };
  const places = flat.parameters.flatMap(({ name, shape }) =>
    new Array<number>(sizeOf({ shape }) / width).fill(placeOf.get(name) ?? norms.length),
  );
  return Gather(Concat(own, one, { axis: 0 }), constant(Int32Array.from(places), "int32"));
}

/** Of dM in the place of dW: dW = dM∘w, and the sum of dM∘W over the rows of each unit, [units, width]. */
export function compileUnfold(device: Device, flat: Flat, folding: Folding, ofNorms: number): Promise<Program> {
  const shape = [total(flat) / folding.width, folding.width];
  const [gradient, weight] = ["grad", "param"].map((name) =>
    Reshape(input(name, "float32", [total(flat)]), { shape }),
  ) as [Value, Value];
  const factors = factorsOf(flat, folding, input("norms", "float32", [ofNorms]));
  const outputs = {
    flat: Reshape(Mul(gradient, factors), { shape: [total(flat)] }),
    sums: sumsOfUnits(flat, folding, Mul(gradient, weight)),
  };
  return device.compile(outputs, { keep: Object.keys(outputs) });
}

function sumsOfUnits(flat: Flat, folding: Folding, product: Value): Value {
  const { width } = folding;
  const runs = runsOf(flat.units);
  const parts = cutInFew(
    product,
    0,
    runs.map((units) => rowsIn(units.flat(), width)),
    FAN,
  );
  const sums = runs.flatMap((units, i) => {
    if (!units.flat().some(({ name }) => folding.placeOf.has(name))) return [];
    const rows = rowsIn(units[0]!, width);
    const stack = Reshape(parts[i]!, { shape: [units.length, rows, width] });
    const ones: Value = { data: 1, dtype: "float32", shape: [1, 1, rows] };
    return Reshape(MatMul(ones, stack), { shape: [units.length, width] });
  });
  return sums.length > 1 ? Concat(...sums, { axis: 0 }) : sums[0]!;
}

/** The places of the norms of these sums, or none where a unit is not folded. */
const placesOf = (flat: Flat, { placeOf }: Folding): (number | undefined)[] =>
  runsOf(flat.units)
    .filter((units) => units.flat().some(({ name }) => placeOf.has(name)))
    .flatMap((units) => units.map((unit) => placeOf.get(unit[0]!.name)));

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
