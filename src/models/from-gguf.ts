/** @file Models from GGUF files: the config that a file's keys describe, and its weights under Hugging Face's names. */

import { DistillError } from "../core/errors.ts";
import { decodeGgml, isDecoded } from "../formats/ggml.ts";
import type { GgufEntry, GgufFile } from "../formats/gguf-reader.ts";
import { type GgufKeys, type GgufName, restoreWeight } from "./gguf.ts";
import * as families from "./index.ts";
import { createModel, ggufLayout, type ModelConfig, type Weight } from "./load.ts";
import type { Family } from "./model.ts";

/** The config.json of the model in a GGUF file, of one of the families `known`. `path` names the file in errors. */
export function configFromGguf(file: GgufFile, path: string, known: Record<string, Family> = families): ModelConfig {
  const [model_type, family] = familyOf(file, path, known);
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

/** The one family that claims a file: architectures of llama.cpp are shared by several of Hugging Face's. */
function familyOf(file: GgufFile, path: string, known: Record<string, Family>): [model_type: string, Family] {
  const architecture = file.metadata.get("general.architecture")?.value;
  const alike = Object.entries(known).filter(([, { ggufArchitecture }]) => ggufArchitecture === architecture);
  if (alike.length === 0) {
    const architectures = new Set(Object.values(known).map(({ ggufArchitecture }) => ggufArchitecture));
    throw new DistillError(
      `${path}: unknown architecture "${architecture}". Expected one of: ${[...architectures].join(", ")}.`,
    );
  }
  const there = (name: string) => file.tensors.has(name) || file.metadata.has(`${architecture}.${name}`);
  const claiming = alike.filter(
    ([, { ggufMarks }]) => (ggufMarks.has ?? []).every(there) && !(ggufMarks.lacks ?? []).some(there),
  );
  if (claiming.length === 1) return claiming[0]!;
  const names = claiming.map(([model_type]) => model_type);
  throw new DistillError(
    claiming.length > 1
      ? `${path} may be a model of each of ${names.join(" and ")}: nothing in a file of the architecture "${architecture}" tells them apart. Give the model as an HF folder, whose config.json names its model_type.`
      : `${path} is of the architecture "${architecture}", and of no family that is known to have it: ${alike.map(describeMarks).join("; ")}.`,
  );
}

/** qwen2 has blk.0.attn_q.bias */
function describeMarks([model_type, { ggufMarks }]: [string, Family]): string {
  const { has = [], lacks = [] } = ggufMarks;
  const parts = [has.length > 0 && `has ${has.join(" and ")}`, lacks.length > 0 && `has no ${lacks.join(" and no ")}`];
  return `${model_type} ${parts.filter(Boolean).join(", and ")}`;
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
