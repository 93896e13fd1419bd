/** @file Which modules of a model an adapter is beside, and which of its own weights are trained whole, as PEFT chooses. */

import { DistillError } from "../core/errors.ts";
import { type AdapterOptions, ALL_LINEAR } from "./lora-options.ts";
import type { Parameter } from "./model.ts";
import { isNamed, matching, matchingWhole } from "./name-pattern.ts";

/** A linear layer, y = x W': the sizes of W. */
export type Sizes = { out: number; in: number };

/** A linear layer with matrices of rank r beside it, whose product is multiplied by `scaling`. */
export type Target = Sizes & { r: number; scaling: number };

const HEAD = "lm_head";
const EMBEDDING = "model.embed_tokens";

export const moduleOf = (weight: string) => weight.replace(/\.(weight|bias)$/, "");

/** The linear layers that the options name, in the order of the weights; a target that is none is refused. */
export function targetsOf(parameters: readonly Parameter[], options: AdapterOptions): Map<string, Target> {
  requireLinear(parameters, options);
  const linears = linearsOf(parameters);
  const { exclude_modules: exclude } = options;
  const modules = chosen([...linears.keys()], options);
  const excluded =
    typeof exclude === "string"
      ? matchingWhole(modules, exclude, "lora.exclude_modules")
      : new Set(modules.filter((module) => isNamed(module, exclude ?? [])));
  const saved = options.modules_to_save ?? [];
  const targets = modules.filter((module) => !excluded.has(module) && !isWithin(module, saved));
  if (targets.length === 0)
    throw new DistillError(
      `lora.target_modules: none of the ${linears.size} linear layers is left as a target. Expected names such as ${lastParts([...linears.keys()])}, in layers that there are, and not all of them in exclude_modules or modules_to_save.`,
    );
  const ranks = byPattern(targets, options.rank_pattern, options.r, "lora.rank_pattern");
  const alphas = byPattern(targets, options.alpha_pattern, options.lora_alpha, "lora.alpha_pattern");
  return new Map(
    targets.map((module) => {
      const r = ranks(module);
      const scaling = alphas(module) / (options.use_rslora ? Math.sqrt(r) : r);
      return [module, { ...linears.get(module)!, r, scaling }];
    }),
  );
}

/** Throw where the options name the embedding, or a head that is the embedding's weight: neither is a linear layer. */
function requireLinear(parameters: readonly Parameter[], { target_modules: targets, exclude_modules }: AdapterOptions) {
  const names = (of: string | readonly string[], module: string, key: string) =>
    typeof of === "string" ? matchingWhole([module], of, key).size > 0 : isNamed(module, of);
  // an expression that is as wide as ".*" means linear layers
  const others = typeof targets === "string" ? [] : [EMBEDDING];
  const module = [...(isTied(parameters) ? [HEAD] : []), ...others].find(
    (one) =>
      names(targets, one, "lora.target_modules") &&
      !(exclude_modules && names(exclude_modules, one, "lora.exclude_modules")),
  );
  if (module === undefined) return;
  const what =
    module === HEAD
      ? `has no weight of its own: it is that of ${EMBEDDING} (tie_word_embeddings)`
      : "is no linear layer";
  throw new DistillError(
    `lora.target_modules: ${module} ${what}. Train it whole with modules_to_save: [embed_tokens], or leave it out${typeof targets === "string" ? ` with exclude_modules: [${HEAD}]` : ""}${module === HEAD ? "; of a student that was saved with tie_word_embeddings: false it is a target" : ""}.`,
  );
}

/** Every linear layer, in the order of the weights. */
function linearsOf(parameters: readonly Parameter[]): Map<string, Sizes> {
  const linears = parameters.flatMap(({ name, shape }): [string, Sizes][] => {
    const module = moduleOf(name);
    return shape.length === 2 && module !== EMBEDDING ? [[module, { out: shape[0]!, in: shape[1]! }]] : [];
  });
  return new Map(linears);
}

const lastParts = (modules: readonly string[]) =>
  [...new Set(modules.map((module) => module.split(".").at(-1)!))].join(", ");

function chosen(linears: readonly string[], options: AdapterOptions): string[] {
  const { target_modules: targets, layers_to_transform } = options;
  if (typeof targets === "string") {
    if (layers_to_transform != null)
      throw new DistillError(
        `lora.layers_to_transform: target_modules is "${targets}", which says of itself in which layers. Expected a list of names beside it; or leave it out.`,
      );
    if (targets.toLowerCase() === ALL_LINEAR) return linears.filter((module) => module !== HEAD);
    const found = matchingWhole(linears, targets, "lora.target_modules");
    if (found.size === 0)
      throw new DistillError(
        `lora.target_modules: no linear layer's name is matched by "${targets}". Expected "${ALL_LINEAR}", a list of names, or a regular expression of whole names such as ${linears[0]}.`,
      );
    return linears.filter((module) => found.has(module));
  }
  for (const target of targets)
    if (!linears.some((module) => isNamed(module, [target])))
      throw new DistillError(
        `lora.target_modules: no linear layer is called "${target}". Expected ${ALL_LINEAR}, or some of: ${lastParts(linears)}.`,
      );
  return inLayers(
    linears.filter((module) => isNamed(module, targets)),
    options,
  );
}

/** Modules in the layers of `layers_to_transform`: the first number that is a part of their names. */
function inLayers(modules: string[], { layers_to_transform }: AdapterOptions): string[] {
  const layers = [layers_to_transform ?? []].flat();
  if (layers.length === 0) return modules;
  const layerOf = (module: string) => Number(/\.(\d+)\./.exec(module)?.[1] ?? -1);
  const known = new Set(modules.map(layerOf));
  for (const layer of layers)
    if (!known.has(layer))
      throw new DistillError(
        `lora.layers_to_transform: no target is in layer ${layer}. Expected numbers from 0 to ${Math.max(...known)}.`,
      );
  return modules.filter((module) => layers.includes(layerOf(module)));
}

/** The value of the first pattern that the end of a module's name matches, behind a dot or as a whole. */
function byPattern(
  modules: readonly string[],
  patterns: Record<string, number> | null | undefined,
  otherwise: number,
  key: string,
): (module: string) => number {
  const found = Object.entries(patterns ?? {}).map(
    ([pattern, value]) => [value, matching(modules, pattern, key, (p) => `(?:.*\\.)?${p}$`)] as const,
  );
  return (module) => found.find(([, modules]) => modules.has(module))?.[0] ?? otherwise;
}

/** Keys of `rank_pattern` and `alpha_pattern` that no target's name matches. */
export function unusedPatterns(targets: readonly string[], options: AdapterOptions): string[] {
  return (["rank_pattern", "alpha_pattern"] as const).flatMap((key) =>
    Object.keys(options[key] ?? {})
      .filter((pattern) => matching(targets, pattern, `lora.${key}`, (p) => `(?:.*\\.)?${p}$`).size === 0)
      .map((pattern) => `${key}: no target is matched by "${pattern}"`),
  );
}

/** Whether a module is one of `names`, by the end of its name, or lies in one. */
const isWithin = (module: string, names: readonly string[]) =>
  module.split(".").some((_, i, parts) => isNamed(parts.slice(0, i + 1).join("."), names));

/** The weights of modules whose names end so, and of modules within them; an end of no name is refused. */
export function savedOf(parameters: readonly Parameter[], { modules_to_save }: AdapterOptions): Parameter[] {
  const names = modules_to_save ?? [];
  const tied = isTied(parameters);
  const ends = (name: string, end: string) =>
    moduleOf(name)
      .split(".")
      .some((_, i, parts) =>
        parts
          .slice(0, i + 1)
          .join(".")
          .endsWith(end),
      );
  for (const end of names) {
    if (parameters.some(({ name }) => ends(name, end))) continue;
    if (tied && HEAD.endsWith(end) && names.some((other) => EMBEDDING.endsWith(other))) continue;
    const why = tied && HEAD.endsWith(end) ? `, and the head's weight is that of ${EMBEDDING}` : "";
    throw new DistillError(
      `lora.modules_to_save: no module of the model has a name that ends in "${end}"${why}. Expected some of: ${lastParts(parameters.map(({ name }) => moduleOf(name)))}.`,
    );
  }
  return parameters.filter(({ name }) => names.some((end) => ends(name, end)));
}

/** Whether the head's weight is the embedding's. */
export const isTied = (parameters: readonly Parameter[]): boolean =>
  !parameters.some(({ name }) => name === `${HEAD}.weight`);

const PREFIX = "base_model.model.";

/** What PEFT calls one of the model's own weights in an adapter's file; a weight that the head shares has both names. */
export const savedNames = (name: string, tied: boolean): [string, ...string[]] =>
  tied && name === `${EMBEDDING}.weight` ? [PREFIX + name, `${PREFIX}${HEAD}.weight`] : [PREFIX + name];
