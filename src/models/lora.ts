/** @file Low-rank adapters of a model's linear layers, under PEFT's names. */

import { DistillError } from "../core/errors.ts";
import type { AdapterOptions } from "./lora-options.ts";
import { isTied, moduleOf, savedNames, savedOf, type Target, targetsOf } from "./lora-targets.ts";
import type { Parameter } from "./model.ts";

export { LoraOptions } from "./lora-options.ts";

export type Adapter = {
  options: AdapterOptions;
  /** The share of x that dropout keeps; what it keeps is divided by it. */
  keep: number;
  /** The linear layers that it is beside, by the names of their modules. */
  targets: ReadonlyMap<string, Target>;
  /** Its own. */
  parameters: readonly Parameter[];
  /** The model's own weights that are trained whole with it. */
  saved: readonly Parameter[];
  /** Whether the model's head shares the weight of its embedding. */
  tied: boolean;
  /** What the tensors of a trained weight are called in its file; the first is read. */
  tensorNames(weight: string): readonly [string, ...string[]];
};

/** What the matrices of a module are called: A [r, in] and B [out, r], and with DoRA the lengths of the rows [out]. */
export const loraNames = (module: string): [a: string, b: string, magnitude: string] => [
  `base_model.model.${module}.lora_A.weight`,
  `base_model.model.${module}.lora_B.weight`,
  `base_model.model.${module}.lora_magnitude_vector`,
];

/** The input of a program that says which elements of a module's input dropout keeps: bool [tokens, in]. */
export const maskName = (module: string) => `dropout/${module}`;

/** The adapter of a model with these weights; a target that is no linear layer of it is refused. */
export function adapterOf(parameters: readonly Parameter[], options: AdapterOptions): Adapter {
  const targets = targetsOf(parameters, options);
  const saved = savedOf(parameters, options);
  const both = saved.find(({ name }) => targets.has(moduleOf(name)));
  if (both)
    throw new DistillError(
      `lora: ${moduleOf(both.name)} is one of target_modules and of modules_to_save. Give modules_to_save whole last parts of names, such as embed_tokens.`,
    );
  const own = new Set(saved.map(({ name }) => name));
  const tied = isTied(parameters);
  return {
    options,
    keep: 1 - options.lora_dropout,
    targets,
    saved,
    tied,
    tensorNames: (weight) => (own.has(weight) ? savedNames(weight, tied) : [weight]),
    parameters: [...targets].flatMap(([module, { r, ...sizes }]): Parameter[] => {
      const [a, b, magnitude] = loraNames(module);
      return [
        { name: a, shape: [r, sizes.in], init: "kaiming_uniform" },
        { name: b, shape: [sizes.out, r], init: "zeros" },
        ...(options.use_dora ? [{ name: magnitude, shape: [sizes.out], init: "ones" as const }] : []),
      ];
    }),
  };
}

/**
 * W + s B A in place, in double before each element is rounded: weight [out, in], a [r, in], b [out, r]; with DoRA each row of
 * it at the length that `magnitude`, [out], says.
 */
export function mergeLora(
  weight: Float32Array,
  [a, b, magnitude]: readonly [Float32Array, Float32Array, (Float32Array | undefined)?],
  { r, out, in: width, scaling }: Target,
): void {
  const row = new Float64Array(width);
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < width; i++) row[i] = weight[o * width + i]!;
    for (let k = 0; k < r; k++) {
      const factor = scaling * b[o * r + k]!;
      if (factor !== 0) for (let i = 0; i < width; i++) row[i] = row[i]! + factor * a[k * width + i]!;
    }
    const factor = magnitude ? magnitude[o]! / lengthOf(row) : 1;
    for (let i = 0; i < width; i++) weight[o * width + i] = factor * row[i]!;
  }
}

/**
 * The magnitudes that a new adapter of the model begins with where a weight that it is beside has been read: with DoRA the
 * lengths of its rows. By name.
 */
export function magnitudesOf(
  { options, targets }: Adapter,
  name: string,
  data: Float32Array,
): [string, Float32Array][] {
  const target = options.use_dora && name.endsWith(".weight") ? targets.get(moduleOf(name)) : undefined;
  if (!target) return [];
  const { out, in: width } = target;
  const row = (_: unknown, o: number) => lengthOf(data.subarray(o * width, (o + 1) * width));
  return [[loraNames(moduleOf(name))[2], Float32Array.from({ length: out }, row)]];
}

function lengthOf(row: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += row[i]! * row[i]!;
  return Math.sqrt(sum);
}
