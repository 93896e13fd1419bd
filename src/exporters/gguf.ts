/** @file GGUF for llama.cpp: one file for each type of weights, which are read, encoded and written one at a time. */

import { statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { writeWholeFrom } from "../core/files.ts";
import { blockSize, type EncodedType, encodeGgml } from "../formats/ggml.ts";
import { type GgufTensor, type Metadata, type MetadataValue, string, uint32, writeGguf } from "../formats/gguf.ts";
import { arrangeWeight } from "../models/gguf.ts";
import { createModel, ggufLayout, loadWeights, readConfig, type Weight } from "../models/load.ts";
import { defineExporter, type Exported, type Source } from "./exporter.ts";
import { ggufTokenizer } from "./gguf/tokenizer.ts";

/** Each type of weights, and the number it has as `general.file_type`. */
const TYPES = {
  f32: ["F32", 0],
  f16: ["F16", 1],
  bf16: ["BF16", 32],
  q8_0: ["Q8_0", 7],
  q4_0: ["Q4_0", 2],
} as const satisfies Record<string, readonly [EncodedType, number]>;
type TypeName = keyof typeof TYPES;

/** The types of weights that are written. */
export const GGUF_TYPES = Object.keys(TYPES) as [TypeName, ...TypeName[]];

export const gguf = defineExporter({
  usage: ([file], repository) =>
    `llama.cpp:\n\n\`\`\`sh\nllama-cli -hf ${repository} --hf-file ${basename(file!.path)} --jinja\n\`\`\``,
  options: z
    .object({
      types: z.array(z.enum(GGUF_TYPES)).min(1).describe("A file model-<type>.gguf for each."),
    })
    .describe("GGUF for llama.cpp: one file for each type of weights."),
  create:
    ({ types }) =>
    async (source, output) => {
      const exported: Exported[] = [];
      for (const type of new Set(types)) exported.push(await exportAs(type, source, output));
      return exported;
    },
});

async function exportAs(type: TypeName, { folder }: Source, output: string): Promise<Exported> {
  const path = join(output, `model-${type}.gguf`);
  const config = readConfig(folder);
  const source = join(folder, "config.json");
  const model = createModel(config, source);
  const layout = ggufLayout(config, source);
  const names = new Map(layout.tensors.map((name) => [name.name, name]));
  const [wanted, fileType] = TYPES[type];
  const tensors: (GgufTensor & { type: EncodedType })[] = [
    ...layout.extra.map(({ gguf, shape }) => ({ name: gguf, shape, type: "F32" as const })),
    ...model.parameters.map(({ name, shape }) => ({
      name: names.get(name)!.gguf,
      shape,
      type: typeFor(shape, wanted),
    })),
  ];
  const metadata: Metadata = new Map<string, MetadataValue>([
    ["general.architecture", string(layout.architecture)],
    ["general.name", string(basename(resolve(folder)))],
    ["general.file_type", uint32(fileType)],
    ["general.quantization_version", uint32(2)],
    ...[...layout.metadata].map(([key, value]) => [`${layout.architecture}.${key}`, value] as const),
    ...ggufTokenizer(folder, model.head.shape[0] as number),
  ]);

  const weights = loadWeights(folder, model);
  const read = (i: number): Uint8Array => {
    const extra = layout.extra[i];
    if (extra) return encodeGgml("F32", extra.data);
    const weight = weights.next().value as Weight;
    return encoded(
      arrangeWeight(weight.data, names.get(weight.name)!, weight.shape[0]!),
      weight.name,
      tensors[i]!.type,
    );
  };
  try {
    await writeWholeFrom(path, writeGguf(metadata, tensors, read));
  } finally {
    weights.return(undefined);
  }
  const notes = tensors
    .filter(({ shape, type }) => shape.length > 1 && type !== wanted)
    .map(
      ({ name, shape, type }) =>
        `${name} is kept as ${type}: its rows of ${shape.at(-1)} are no multiple of ${blockSize(wanted)}.`,
    );
  return { name: `gguf-${type}`, path, bytes: statSync(path).size, ...(notes.length > 0 ? { notes } : {}) };
}

/** Vectors stay as they are; rows that blocks do not divide are kept in half precision. */
function typeFor(shape: readonly number[], wanted: EncodedType): EncodedType {
  if (shape.length === 1) return "F32";
  return shape.at(-1)! % blockSize(wanted) === 0 ? wanted : "F16";
}

/** The largest magnitude that a type holds: halves end at 65504, and blocks scale by them. */
const LARGEST: Partial<Record<EncodedType, number>> = { F16: 65504, Q8_0: 65504 * 127, Q4_0: 65504 * 8 };

function encoded(data: Float32Array, name: string, type: EncodedType): Uint8Array {
  let largest = 0;
  for (const x of data) {
    if (!Number.isFinite(x)) throw new DistillError(`The weight "${name}" holds ${x}; it cannot be exported.`);
    largest = Math.max(largest, Math.abs(x));
  }
  const limit = LARGEST[type];
  if (limit && largest > limit)
    throw new DistillError(`The weight "${name}" holds ${largest}, and ${type} ends at ${limit}. Export bf16 or f32.`);
  return encodeGgml(type, data);
}
