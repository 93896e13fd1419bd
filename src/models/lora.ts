/** @file Low-rank adapters of a model's linear layers, under PEFT's names. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import type { Scaling } from "../nn/lora.ts";
import type { Parameter } from "./model.ts";

const ALL = "all-linear";

/** The keys of PEFT's LoraConfig, with its defaults; `target_modules` of "all-linear" are all linear layers but the head. */
export const LoraOptions = z.object({
  r: z.int().positive().default(8).describe("The rank: rows of A and columns of B."),
  lora_alpha: z.number().positive().default(8).describe("The adapter counts lora_alpha / r."),
  lora_dropout: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe("The share of a layer's inputs that the adapter does not see in a step."),
  target_modules: z
    .union([z.string(), z.array(z.string().min(1)).min(1)])
    .refine((targets) => typeof targets !== "string" || targets === ALL, `expected "${ALL}" or a list of names`)
    .default(ALL)
    .describe("Which linear layers have an adapter: all but the head, or those with these names."),
  use_rslora: z
    .boolean()
    .default(false)
    .describe("Scale by lora_alpha / √r (arXiv:2312.03732) in place of lora_alpha / r."),
});
export type LoraOptions = z.output<typeof LoraOptions>;

/** A linear layer, y = x W': the sizes of W. */
export type Sizes = { out: number; in: number };

export type Adapter = {
  options: LoraOptions;
  scaling: Scaling;
  /** The linear layers that it is beside, by the names of their modules. */
  targets: ReadonlyMap<string, Sizes>;
  parameters: readonly Parameter[];
};

const HEAD = "lm_head";
const EMBEDDING = "model.embed_tokens";

/** What the two matrices of a module are called: A [r, in] and B [out, r]. */
export const loraNames = (module: string): [a: string, b: string] => [
  `base_model.model.${module}.lora_A.weight`,
  `base_model.model.${module}.lora_B.weight`,
];

/** The input of a program that says which elements of a module's input dropout keeps: bool [tokens, in]. */
export const maskName = (module: string) => `dropout/${module}`;

/** The adapter of a model with these weights; a target that is no linear layer of it is refused. */
export function adapterOf(parameters: readonly Parameter[], options: LoraOptions): Adapter {
  const { r, lora_alpha, lora_dropout, target_modules, use_rslora } = options;
  const linears = linearsOf(parameters);
  const targets = typeof target_modules === "string" ? withoutHead(linears) : named(linears, target_modules);
  return {
    options,
    scaling: { scaling: lora_alpha / (use_rslora ? Math.sqrt(r) : r), keep: 1 - lora_dropout },
    targets,
    parameters: [...targets].flatMap(([module, sizes]): Parameter[] => {
      const [a, b] = loraNames(module);
      return [
        { name: a, shape: [r, sizes.in], init: "kaiming_uniform" },
        { name: b, shape: [sizes.out, r], init: "zeros" },
      ];
    }),
  };
}

/** Every linear layer, in the order of the weights. */
function linearsOf(parameters: readonly Parameter[]): Map<string, Sizes> {
  const linears = parameters.flatMap(({ name, shape }): [string, Sizes][] => {
    const module = name.replace(/\.weight$/, "");
    return shape.length === 2 && module !== EMBEDDING ? [[module, { out: shape[0]!, in: shape[1]! }]] : [];
  });
  return new Map(linears);
}

const withoutHead = (linears: ReadonlyMap<string, Sizes>) =>
  new Map([...linears].filter(([module]) => module !== HEAD));

/** As PEFT matches names: the whole of a module's, or its end behind a dot. */
function named(linears: ReadonlyMap<string, Sizes>, targets: readonly string[]): Map<string, Sizes> {
  const matches = (module: string, target: string) => module === target || module.endsWith(`.${target}`);
  for (const target of targets)
    if (![...linears.keys()].some((module) => matches(module, target))) {
      const known = [...new Set([...linears.keys()].map((module) => module.split(".").at(-1)!))];
      throw new DistillError(
        `lora.target_modules: no linear layer is called "${target}". Expected all-linear, or some of: ${known.join(", ")}.`,
      );
    }
  return new Map([...linears].filter(([module]) => targets.some((target) => matches(module, target))));
}

/** W + s B A in place, in double before each element is rounded: weight [out, in], a [r, in], b [out, r]. */
export function mergeLora(
  weight: Float32Array,
  a: Float32Array,
  b: Float32Array,
  { options: { r }, scaling: { scaling } }: Adapter,
): void {
  const width = a.length / r;
  const row = new Float64Array(width);
  for (let o = 0; o < b.length / r; o++) {
    row.fill(0);
    for (let k = 0; k < r; k++) {
      const factor = scaling * b[o * r + k]!;
      if (factor !== 0) for (let i = 0; i < width; i++) row[i] = row[i]! + factor * a[k * width + i]!;
    }
    for (let i = 0, at = o * width; i < width; i++, at++) weight[at] = weight[at]! + row[i]!;
  }
}
