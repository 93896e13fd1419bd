/** @file Which parameters a run trains, and the files in which a folder holds them. */

import { DistillError } from "../core/errors.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, adapterConfig } from "../models/adapter-folder.ts";
import type { ModelConfig } from "../models/load.ts";
import { elementsIn, type Model, type Parameter } from "../models/model.ts";
import type { BaseDtype } from "../models/storage.ts";

/** Which weights are not trained, by pattern, and how such matrices are kept in memory. */
export type Frozen = { freeze: readonly string[]; base_dtype: BaseDtype };

export type Trained = {
  parameters: readonly Parameter[];
  /** Of the safetensors file. */
  weights: string;
  /** What its tensors of a parameter are called; the first is read. */
  tensorNames(parameter: string): readonly [string, ...string[]];
  config: { file: string; content: unknown };
};

/** The adapter where the model has one, with the model's own weights that are trained beside it, else all weights but those that a pattern freezes. */
export function trainedPart(
  model: Model,
  config: ModelConfig,
  { freeze = [], base = null }: { freeze?: readonly string[]; base?: string | null } = {},
): Trained {
  const { adapter } = model;
  if (adapter)
    return {
      parameters: [...adapter.parameters, ...adapter.saved],
      weights: ADAPTER_WEIGHTS,
      tensorNames: adapter.tensorNames,
      config: { file: ADAPTER_CONFIG, content: adapterConfig(adapter, base) },
    };
  for (const pattern of freeze)
    if (!model.parameters.some(({ name }) => matches(name, pattern)))
      throw new DistillError(
        `trainer.freeze: no weight is called "${pattern}". The first of them are ${model.parameters
          .slice(0, 4)
          .map(({ name }) => name)
          .join(", ")}.`,
      );
  const parameters = model.parameters.filter(({ name }) => !isFrozen(name, freeze));
  if (parameters.length === 0) throw new DistillError("trainer.freeze names every weight, and leaves none to train.");
  const { quantization_config: _, ...content } = config; // what is trained is floats
  const file = { weights: "model.safetensors", config: { file: "config.json", content } };
  return { parameters, tensorNames: (name) => [name], ...file };
}

/** Whether one of the patterns, in which * stands for any characters, names a weight. */
export const isFrozen = (name: string, freeze: readonly string[]): boolean =>
  freeze.some((pattern) => matches(name, pattern));

function matches(name: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}

/** 19,584 parameters, 2,784 of them trained (14.22 %) */
export function describeTrained(model: Model, { parameters }: Pick<Trained, "parameters">): string {
  const [size, part] = [
    elementsIn(model.parameters) + elementsIn(model.adapter?.parameters ?? []),
    elementsIn(parameters),
  ];
  const share = part === size ? "" : `, ${count(part)} of them trained (${((100 * part) / size).toFixed(2)} %)`;
  return `${count(size)} parameters${share}`;
}

const count = (n: number) => (n < 1e6 ? n.toLocaleString("en-US") : `${(n / 1e6).toFixed(2)} M`);
