/** @file Adapters as folders of PEFT's: adapter_config.json and adapter_model.safetensors. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { readJson, UNTRUSTED_BYTES } from "../core/files.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { readTensors, type Weight } from "./load.ts";
import { type Adapter, LoraOptions, loraNames, mergeLora } from "./lora.ts";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** What adapter_config.json says of an adapter to the model `base` (a folder or a name). */
export function adapterConfig({ options, targets }: Adapter, base: string | null): Record<string, unknown> {
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    ...options,
    // whole names: PEFT leaves the head out of "all-linear" by other rules than ours
    target_modules: [...targets.keys()],
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    modules_to_save: null,
  };
}

/** An option of PEFT's that must be switched off: null, false, or empty. */
const off = z
  .unknown()
  .refine((value) => !value || (typeof value === "object" && Object.keys(value).length === 0), "is not supported")
  .optional();

/** What makes something else of A and B than W + s B A, or trains more than them. */
const OTHERS = [
  "fan_in_fan_out",
  "lora_bias",
  "rank_pattern",
  "alpha_pattern",
  "modules_to_save",
  "trainable_token_indices",
  "target_parameters",
  "layer_replication",
  "use_dora",
  "use_qalora",
  "use_bdlora",
  "arrow_config",
  "kasa_config",
  "alora_invocation_tokens",
];

const AdapterConfig = LoraOptions.extend({
  ...Object.fromEntries(OTHERS.map((name) => [name, off])),
  peft_type: z.literal("LORA"),
  bias: z.literal("none").default("none"),
  target_modules: z.unknown(), // the tensors say which
});

/** The options of the adapter in a folder, its target modules by their whole names. */
export function readAdapterOptions(folder: string): LoraOptions {
  if (!existsSync(folder)) throw new DistillError(`Adapter not found: ${folder}. Expected a folder of PEFT's.`);
  const path = join(folder, ADAPTER_CONFIG);
  const config = AdapterConfig.safeParse(readJson(path, "The adapter's configuration", UNTRUSTED_BYTES));
  if (!config.success) {
    const issues = config.error.issues.map(({ path, message }) => `${path.join(".") || "it"}: ${message}`);
    throw new DistillError(`${path} is not that of an adapter that can be loaded: ${issues.join("; ")}.`);
  }
  const { r, lora_alpha, lora_dropout, use_rslora } = config.data;
  return { r, lora_alpha, lora_dropout, use_rslora, target_modules: modulesIn(folder) };
}

/** The modules whose matrices a folder holds; a tensor that is no such matrix is refused. */
function modulesIn(folder: string): string[] {
  const path = join(folder, ADAPTER_WEIGHTS);
  const file = openSafetensors(path);
  file.close();
  const modules = [...file.entries.keys()].map((name) => {
    const module = /^base_model\.model\.(.+)\.lora_[AB]\.weight$/.exec(name)?.[1];
    if (!module || !loraNames(module).every((half) => file.entries.has(half)))
      throw new DistillError(`${path}: the tensor "${name}" is not one of a pair lora_A.weight and lora_B.weight.`);
    return module;
  });
  if (modules.length === 0) throw new DistillError(`${path} holds no tensors.`);
  return [...new Set(modules)].sort();
}

/** The matrices of an adapter from a folder, one at a time. */
export const loadAdapter = (folder: string, adapter: Adapter): Generator<Weight> =>
  readTensors(join(folder, ADAPTER_WEIGHTS), adapter.parameters);

/** `weights` with the adapter in a folder merged into them. */
export function* mergedWeights(weights: Iterable<Weight>, folder: string, adapter: Adapter): Generator<Weight> {
  const halves = new Map([...loadAdapter(folder, adapter)].map(({ name, data }) => [name, data]));
  for (const weight of weights) {
    const [a, b] = loraNames(weight.name.replace(/\.weight$/, "")).map((name) => halves.get(name));
    if (a && b) mergeLora(weight.data, a, b, adapter);
    yield weight;
  }
}
