/** @file Adapters as folders of PEFT's: adapter_config.json and adapter_model.safetensors. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { readJson, UNTRUSTED_BYTES } from "../core/reading.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { InitLoraWeights, takesItself } from "./adapter-init.ts";
import { type Adapter, loraNames } from "./lora.ts";
import { type AdapterOptions, LoraOptions } from "./lora-options.ts";
import { moduleOf } from "./lora-targets.ts";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** What adapter_config.json says of an adapter to the model `base` (a folder or a name). */
export function adapterConfig(adapter: Adapter, base: string | null): Record<string, unknown> {
  const { options, targets, saved } = adapter;
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    ...options,
    // whole names: PEFT leaves the head out of "all-linear" by other rules than ours
    target_modules: [...targets.keys()],
    exclude_modules: null,
    layers_to_transform: null,
    layers_pattern: null,
    rank_pattern: options.rank_pattern ?? {},
    alpha_pattern: options.alpha_pattern ?? {},
    use_dora: options.use_dora ?? false,
    modules_to_save: saved.length > 0 ? [...new Set(saved.map(({ name }) => moduleOf(name)))] : null,
    ensure_weight_tying: saved.some(({ name }) => adapter.tensorNames(name).length > 1),
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: options.init_lora_weights ?? true,
  };
}

/** An option of PEFT's that must be switched off: null, false, or empty. */
const off = z
  .unknown()
  .refine((value) => !value || (typeof value === "object" && Object.keys(value).length === 0), "is not read here")
  .optional();

/** What can be done with an adapter of another kind. */
const MERGE = "Merge it with PEFT (merge_and_unload), and give the model that this makes as student.path";

/** What makes something else of A and B than W + s B A, or trains more than them. */
const OTHERS = [
  "fan_in_fan_out",
  "lora_bias",
  "trainable_token_indices",
  "target_parameters",
  "layer_replication",
  "use_qalora",
  "use_bdlora",
  "velora_config",
  "monteclora_config",
  "arrow_config",
  "kasa_config",
  "alora_invocation_tokens",
];

const AdapterConfig = LoraOptions.extend({
  ...Object.fromEntries(OTHERS.map((name) => [name, off])),
  peft_type: z.literal("LORA", {
    error: ({ input }) => `is ${JSON.stringify(input) ?? "not given"}, and only LORA is read`,
  }),
  bias: z
    .literal("none", { error: ({ input }) => `is ${JSON.stringify(input)}, and only "none" is read` })
    .default("none"),
  init_lora_weights: InitLoraWeights,
  ensure_weight_tying: z.boolean().nullish(),
  // the tensors say which
  target_modules: z.unknown().optional(),
  exclude_modules: z.unknown().optional(),
  layers_to_transform: z.unknown().optional(),
});

type Beside = { tensor: string; shape: readonly number[] };

/** An adapter in a folder, before its model is known. */
export type StoredAdapter = {
  folder: string;
  /** Its target modules are whole names. */
  options: AdapterOptions;
  /** The tensors of its file that are weights of the model itself, by their names in the model. */
  beside: ReadonlyMap<string, Beside>;
  ensure_weight_tying: boolean;
  /** The folder of the adapter as it began, where it lies in this one: what it took out of the model's weights. */
  initial?: string | undefined;
};

/** Where LLaMA-Factory leaves an adapter as it began. */
const INITIAL = "pissa_init";

/** What the folder of an adapter says of it. */
export function readAdapter(folder: string): StoredAdapter {
  if (!existsSync(folder)) throw new DistillError(`Adapter not found: ${folder}. Expected a folder of PEFT's.`);
  const path = join(folder, ADAPTER_CONFIG);
  const raw = readJson(path, "The adapter's configuration", UNTRUSTED_BYTES) as { init_lora_weights?: unknown } | null;
  const began = raw?.init_lora_weights;
  const initial =
    takesItself(began) && existsSync(join(folder, INITIAL, ADAPTER_WEIGHTS)) ? join(folder, INITIAL) : undefined;
  const config = AdapterConfig.safeParse(initial ? { ...raw, init_lora_weights: true } : raw);
  if (!config.success) {
    const issues = config.error.issues.map(({ path, message }) => `${path.join(".") || "it"}: ${message}`);
    throw new DistillError(
      `${path} is not that of an adapter that can be loaded: ${issues.join("; ")}${issues.some((issue) => issue.includes("merge_and_unload")) ? "" : `. ${MERGE}`}.`,
    );
  }
  const { r, lora_alpha, lora_dropout, use_rslora, use_dora, init_lora_weights, ...more } = config.data;
  const { modules, beside } = tensorsIn(folder, use_dora);
  const given = (name: "rank_pattern" | "alpha_pattern" | "modules_to_save") =>
    more[name] && Object.keys(more[name]).length > 0 ? { [name]: more[name] } : {};
  const options: AdapterOptions = {
    ...{ r, lora_alpha, lora_dropout, use_rslora, target_modules: modules },
    ...given("rank_pattern"),
    ...given("alpha_pattern"),
    ...given("modules_to_save"),
    ...(use_dora ? { use_dora } : {}),
    ...(init_lora_weights === true ? {} : { init_lora_weights }),
  };
  return { folder, options, beside, ensure_weight_tying: more.ensure_weight_tying ?? false, initial };
}

/** The model that `create` makes for an adapter; an option that does not fit it is one of the adapter's file. */
export function modelFor<Made>({ folder }: Pick<StoredAdapter, "folder">, create: () => Made): Made {
  try {
    return create();
  } catch (error) {
    if (!(error instanceof DistillError && error.message.startsWith("lora"))) throw error;
    const message = error.message.replace(/^lora[.:] ?/, "");
    throw new DistillError(`${join(folder, ADAPTER_CONFIG)} does not fit the model: ${message}`, { cause: error });
  }
}

/** The options of the adapter in a folder, its target modules by their whole names. */
export const readAdapterOptions = (folder: string): AdapterOptions => readAdapter(folder).options;

/** The modules whose matrices a folder holds, and the model's own weights beside them; any other tensor is refused. */
function tensorsIn(folder: string, use_dora: boolean): { modules: string[]; beside: Map<string, Beside> } {
  const path = join(folder, ADAPTER_WEIGHTS);
  if (!existsSync(path))
    throw new DistillError(
      `${folder} holds no ${ADAPTER_WEIGHTS}.${existsSync(join(folder, "adapter_model.bin")) ? " Save it with safetensors: adapter_model.bin is a pickle, which is not read." : ""}`,
    );
  const file = openSafetensors(path);
  file.close();
  const modules = new Set<string>();
  const beside = new Map<string, Beside>();
  for (const [name, { shape }] of file.entries) {
    const part = /^base_model\.model\.(.+)\.(lora_[AB]\.weight|lora_magnitude_vector)$/.exec(name);
    const own = /^base_model\.model\.(.+?)(?:\.base_layer)?\.(weight|bias)$/.exec(name);
    if (part && (use_dora || part[2] !== "lora_magnitude_vector")) modules.add(part[1]!);
    else if (own && !name.includes(".lora_")) beside.set(`${own[1]}.${own[2]}`, { tensor: name, shape });
    else
      throw new DistillError(
        `${path}: the tensor "${name}" is not known. Expected pairs lora_A.weight and lora_B.weight of linear layers${use_dora ? ", lora_magnitude_vector" : ""}, and weights of the model itself. ${MERGE}.`,
      );
  }
  for (const module of modules)
    for (const name of loraNames(module).slice(0, use_dora ? 3 : 2))
      if (!file.entries.has(name))
        throw new DistillError(`${path} has no tensor "${name}", and others of the module ${module}.`);
  if (modules.size === 0) throw new DistillError(`${path} holds no matrices lora_A.weight and lora_B.weight.`);
  return { modules: [...modules].sort(), beside };
}
