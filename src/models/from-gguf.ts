/** @file Models from GGUF files: the config that a file's keys describe, and its weights under Hugging Face's names. */

import { DistillError } from "../core/errors.ts";
import { decodeGgml, isDecoded } from "../formats/ggml.ts";
import type { GgufEntry, GgufFile } from "../formats/gguf-reader.ts";
import { type GgufKeys, type GgufName, restoreWeight } from "./gguf.ts";
import * as families from "./index.ts";
import { createModel, ggufLayout, type ModelConfig, type Weight } from "./load.ts";
import type { Family } from "./model.ts";

/** The config.json of the model in a GGUF file. `path` names it in errors. */
export function configFromGguf(file: GgufFile, path: string): ModelConfig {
  const architecture = file.metadata.get("general.architecture");
  const known = Object.entries(families as Record<string, Family>);
  const found = known.find(([, { ggufArchitecture }]) => ggufArchitecture === architecture?.value);
  if (!found)
    throw new DistillError(
      `${path}: unknown architecture "${architecture?.value}". Expected one of: ${known.map(([, { ggufArchitecture }]) => ggufArchitecture).join(", ")}.`,
    );
  const [model_type, family] = found;
  const keys = keysOf(file, path, family.ggufArchitecture);
  const token = (name: string) => {
    const id = file.metadata.get(`tokenizer.ggml.${name}_token_id`);
    return id?.type === "uint32" ? { [`${name}_token_id`]: id.value } : {};
  };
  return {
    architectures: [family.architecture],
    model_type,
    ...family.fromGguf(keys),
    ...token("bos"),
    ...token("eos"),
  };
}

/** The weights of the model in a GGUF file, one at a time, blocks of any type widened to float32. */
export function* weightsFromGguf(file: GgufFile, path: string): Generator<Weight> {
  const config = configFromGguf(file, path);
  const { parameters } = createModel(config, path);
  const layout = ggufLayout(config, path);
  const { read, refuse } = keysOf(file, path, layout.architecture);
  const names = new Map(layout.tensors.map((name): [string, GgufName] => [name.name, name]));
  const wanted = new Set([...layout.tensors, ...layout.extra].map(({ gguf }) => gguf));
  for (const name of file.tensors.keys())
    if (!wanted.has(name)) refuse(`it has the tensor "${name}", which no ${config.model_type} model has`);
  for (const parameter of parameters) {
    const name = names.get(parameter.name)!;
    const { shape } = file.tensors.get(name.gguf) ?? refuse(`it has no tensor "${name.gguf}"`);
    if (shape.length !== parameter.shape.length || shape.some((dim, i) => dim !== parameter.shape[i]))
      refuse(`its tensor "${name.gguf}" has the shape [${shape}], and its keys ask for [${parameter.shape}]`);
    yield { ...parameter, data: restoreWeight(read(name.gguf), name, shape[0]!) };
  }
}

/** More would be no model, but a header that lies. */
const LARGEST = 2 ** 31;

function keysOf({ metadata, tensors, read }: GgufFile, path: string, architecture: string): GgufKeys {
  const refuse = (why: string): never => {
    throw new DistillError(`${path} cannot be read as a ${architecture} model: ${why}.`);
  };
  return {
    tensors,
    refuse,
    number(key, fallback) {
      const value = metadata.get(`${architecture}.${key}`) ?? refuseUnless(fallback, key);
      if (typeof value === "number") return value;
      if (!["uint32", "int32", "float32", "uint64"].includes(value.type))
        return refuse(`its key "${architecture}.${key}" is ${value.type}, not one number`);
      const number = Number(value.value);
      if (!(number >= 0 && number < LARGEST)) return refuse(`its key "${architecture}.${key}" is ${number}`);
      // the decimal that was meant: 0.00001, not 0.000009999999747378752
      return value.type === "float32" ? Number(number.toPrecision(7)) : number;
    },
    text(key) {
      const value = metadata.get(`${architecture}.${key}`);
      return value?.type === "string" ? value.value : undefined;
    },
    read(name) {
      const { type, shape } = tensors.get(name) as GgufEntry;
      if (!isDecoded(type)) return refuse(`its tensor "${name}" is ${type}, which is not decoded`);
      return decodeGgml(
        type,
        read(name),
        shape.reduce((a, b) => a * b, 1),
      )!;
    },
  };

  function refuseUnless(fallback: number | undefined, key: string): number {
    return fallback ?? refuse(`it has no key "${architecture}.${key}"`);
  }
}
