/** @file Models as HF folders: config.json and safetensors, in one file or several. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { writeWhole, writeWholeFrom } from "../core/files.ts";
import { deriveSeed, seededRandom } from "../core/random.ts";
import { readJson, UNTRUSTED_BYTES } from "../core/reading.ts";
import { convert, fromBfloat16, fromFloat16 } from "../formats/float16.ts";
import { openSafetensors, type SafetensorsFile, safetensorsHeader } from "../formats/safetensors.ts";
import type { GgufLayout } from "./gguf.ts";
import * as families from "./index.ts";
import type { Family, Model, ModelOptions, Parameter } from "./model.ts";
import { hasOtherHead } from "./tied-head.ts";

/** What config.json holds, all of its keys kept. */
export type ModelConfig = { model_type: string; [key: string]: unknown };

/** The model that a config describes. `source` names it in errors. */
export function createModel(config: unknown, source: string, options?: ModelOptions): Model {
  const { family, parsed } = familyOf(config, source);
  return family.create(parsed, options);
}

/** How llama.cpp wants the model that a config describes. */
export function ggufLayout(config: unknown, source: string): GgufLayout {
  const { family, parsed } = familyOf(config, source);
  return family.gguf(parsed);
}

/** What `architectures` in config.json says beside this `model_type`. */
export const architectureOf = (config: unknown, source: string): string => named(config, source).family.architecture;

function named(config: unknown, source: string): { family: Family; model_type: string } {
  const { model_type } = z.looseObject({ model_type: z.string() }).catch({ model_type: "" }).parse(config);
  const family = (families as Record<string, Family>)[model_type];
  if (!family)
    throw new DistillError(
      `${source}: unknown model_type "${model_type}". Expected one of: ${Object.keys(families).join(", ")}.`,
    );
  return { family, model_type };
}

function familyOf(config: unknown, source: string): { family: Family; parsed: unknown } {
  const { family, model_type } = named(config, source);
  const parsed = family.config.safeParse(config);
  if (!parsed.success) {
    const issues = parsed.error.issues.map(({ path, message }) => `${path.join(".") || "config"}: ${message}`);
    throw new DistillError(`${source} does not describe a ${model_type} model: ${issues.join("; ")}.`);
  }
  return { family, parsed: parsed.data };
}

/** The config in a folder. A head that differs from the embedding is not tied to it, whatever the config says. */
export function readConfig(folder: string): ModelConfig {
  const path = join(folder, "config.json");
  const config = readJson(path, "The model's config.json", UNTRUSTED_BYTES) as ModelConfig;
  if (config?.tie_word_embeddings === false || !otherHeadIn(folder)) return config;
  return { ...config, tie_word_embeddings: false };
}

function otherHeadIn(folder: string): boolean {
  try {
    return existsSync(folder) && hasWeights(folder) && hasOtherHead(locator(folder, () => undefined));
  } catch (error) {
    if (error instanceof DistillError) return false; // said where the weights are loaded
    throw error;
  }
}

const hasWeights = (folder: string): boolean =>
  ["model.safetensors", "model.safetensors.index.json"].some((name) => existsSync(join(folder, name)));

/**
 * Write the config of a model with weights of its own: it is no longer the one that `_name_or_path` names, and its weights are
 * floats, however the model's were quantised.
 */
export const writeConfig = (folder: string, { _name_or_path, quantization_config, ...config }: ModelConfig): void =>
  writeWhole(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);

/** One weight in float32, row-major. */
export type Weight = Parameter & { data: Float32Array };

/** New weights, the same for the same seed whatever else the model holds. */
export function* initialWeights(
  { parameters, initializer_range }: Pick<Model, "parameters" | "initializer_range">,
  seed: number,
): Generator<Weight> {
  for (const parameter of parameters) {
    const { name, shape, init } = parameter;
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const random = seededRandom(deriveSeed(seed, name));
    const bound = 1 / Math.sqrt(shape.at(-1)!);
    if (init === "ones") data.fill(1);
    if (init === "normal") for (let i = 0; i < data.length; i++) data[i] = random.normal() * initializer_range;
    if (init === "kaiming_uniform") for (let i = 0; i < data.length; i++) data[i] = (2 * random.uniform() - 1) * bound;
    yield { ...parameter, data };
  }
}

/** The weights of `model` from a folder, one at a time. F16 and BF16 are widened. */
export function* loadWeights(folder: string, model: Pick<Model, "parameters">): Generator<Weight> {
  const files = new Map<string, SafetensorsFile>();
  try {
    requireWhole(folder, files);
    const locate = locator(folder);
    for (const parameter of model.parameters) {
      const path = locate(parameter.name);
      const file = files.get(path) ?? openSafetensors(path);
      files.set(path, file);
      yield { ...parameter, data: readWeight(path, file, parameter) };
    }
  } finally {
    for (const file of files.values()) file.close();
  }
}

/** Tensors of one safetensors file, one at a time. F16 and BF16 are widened. */
export function* readTensors(path: string, parameters: readonly Parameter[]): Generator<Weight> {
  const file = openSafetensors(path);
  try {
    for (const parameter of parameters) yield { ...parameter, data: readWeight(path, file, parameter) };
  } finally {
    file.close();
  }
}

const Index = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[^/\\]+\.safetensors$/)) });

/** Which file of a folder each tensor is in, as model.safetensors.index.json says. */
export function readIndex(folder: string): Record<string, string> {
  const path = join(folder, "model.safetensors.index.json");
  if (!existsSync(path))
    throw new DistillError(
      `${folder} holds no weights: expected model.safetensors or model.safetensors.index.json.${existsSync(join(folder, "pytorch_model.bin")) ? " Save it with safetensors, as save_pretrained does: pytorch_model.bin is a pickle, which is not read." : ""}`,
    );
  const index = Index.safeParse(readJson(path, "The index of the weights", UNTRUSTED_BYTES));
  if (!index.success)
    throw new DistillError(`${path} is not an index of safetensors files: ${index.error.issues[0]!.message}.`);
  return index.data.weight_map;
}

/** Open every file of the index into `files`, also those of tensors that nobody asks for: a head that is tied can be another one. */
function requireWhole(folder: string, files: Map<string, SafetensorsFile>): void {
  if (existsSync(join(folder, "model.safetensors"))) return;
  const index = Object.entries(readIndex(folder));
  const count = new Set(index.map(([, file]) => file)).size;
  for (const [name, file] of index) {
    const path = join(folder, file);
    if (!files.has(path) && !existsSync(path))
      throw new DistillError(
        `${path} is missing: the model in ${folder} has ${count} files of weights. Put all of them beside it.`,
      );
    const opened = files.get(path) ?? openSafetensors(path);
    files.set(path, opened);
    if (!opened.entries.has(name))
      throw new DistillError(
        `${path} has no tensor "${name}", which model.safetensors.index.json says is there. Take all files from one place.`,
      );
  }
}

/** Which file holds a tensor; what `absent` gives for one that the index does not name. */
function locator<Absent = never>(
  folder: string,
  absent: (name: string) => Absent = (name) => {
    throw new DistillError(`${join(folder, "model.safetensors.index.json")} does not say where "${name}" is.`);
  },
): (name: string) => string | Absent {
  const single = join(folder, "model.safetensors");
  if (existsSync(single)) return () => single;
  const files = readIndex(folder);
  return (name) => {
    const file = files[name];
    if (file === undefined) return absent(name);
    if (!existsSync(join(folder, file)))
      throw new DistillError(`${join(folder, file)} is missing, and the index of the weights names it. Get it.`);
    return join(folder, file);
  };
}

function readWeight(path: string, file: SafetensorsFile, { name, shape }: Parameter): Float32Array {
  const entry = file.entries.get(name);
  if (!entry) {
    const other = [...file.entries.keys()].find(
      (one) => one.endsWith(`.${name}`) || one === name.replace(/^model\./, ""),
    );
    throw new DistillError(
      `${path} has no tensor "${name}", which the model's config asks for${other === undefined ? "" : `, and one called "${other}". Save the model itself, and not what wraps it or what is within it`}.`,
    );
  }
  if (entry.shape.length !== shape.length || entry.shape.some((dim, i) => dim !== shape[i]))
    throw new DistillError(
      `${path}: tensor "${name}" has shape [${entry.shape}], and the model's config asks for [${shape}].`,
    );
  const bytes = file.read(name);
  if (entry.dtype === "F32") return new Float32Array(bytes.buffer);
  if (entry.dtype === "F16") return widened(bytes, fromFloat16);
  if (entry.dtype === "BF16") return widened(bytes, fromBfloat16);
  throw new DistillError(`${path}: tensor "${name}" is ${entry.dtype}; weights are read from F32, F16 and BF16.`);
}

const widened = ({ buffer }: Uint8Array<ArrayBuffer>, widen: (half: number) => number): Float32Array =>
  convert(new Uint16Array(buffer), new Float32Array(buffer.byteLength / 2), widen);

/** Write tensors as one float32 safetensors file, whole or not at all. */
export async function saveTensors(
  path: string,
  tensors: readonly { name: string; shape: readonly number[] }[],
  read: (name: string) => Promise<Float32Array>,
): Promise<void> {
  const header = safetensorsHeader(tensors.map(({ name, shape }) => ({ name, shape, dtype: "F32" })));
  async function* pieces() {
    yield header;
    for (const { name } of tensors) {
      const { buffer, byteOffset, byteLength } = await read(name);
      yield new Uint8Array(buffer, byteOffset, byteLength);
    }
  }
  await writeWholeFrom(path, pieces());
}
