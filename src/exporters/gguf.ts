/** @file GGUF for llama.cpp: one file for each type of weights, which are read, encoded and written one at a time. */

import { statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { writeWholeFrom } from "../core/files.ts";
import { blockSize, type EncodedType, encodeGgml, isWeighted } from "../formats/ggml.ts";
import { type GgufTensor, type Metadata, type MetadataValue, string, uint32, writeGguf } from "../formats/gguf.ts";
import { writeImportance } from "../formats/imatrix.ts";
import { arrangeWeight } from "../models/gguf.ts";
import { createModel, ggufLayout, loadWeights, readConfig, type Weight } from "../models/load.ts";
import { elementsIn } from "../models/model.ts";
import { defineExporter, type Exported, type Source } from "./exporter.ts";
import { describeModel } from "./gguf/general.ts";
import {
  describeImportance,
  type Importance,
  ImportanceOptions,
  importanceMetadata,
  importanceOf,
} from "./gguf/importance.ts";
import { ggufTokenizer } from "./gguf/tokenizer.ts";
import { fileType, GGUF_TYPES, isRounded, TensorTypes, type TypeName, typeOf } from "./gguf/types.ts";

export const gguf = defineExporter({
  usage: ([file], repository) =>
    `llama.cpp:\n\n\`\`\`sh\nllama-cli -hf ${repository} --hf-file ${basename(file!.path)} --jinja\n\`\`\``,
  options: z
    .object({
      types: z.array(z.enum(GGUF_TYPES)).min(1).describe("A file model-<type>.gguf for each."),
      ...TensorTypes,
      importance_matrix: ImportanceOptions,
    })
    .describe("GGUF for llama.cpp: one file for each type of weights."),
  create:
    ({ types, importance_matrix, ...given }) =>
    async (source, output) => {
      const isUsed = types.some((type) => isRounded(type, given));
      const importance = importance_matrix && isUsed ? await importanceFrom(source, importance_matrix) : undefined;
      const student = readStudent(source.folder);
      const exported: Exported[] = [];
      for (const type of new Set(types))
        exported.push(await exportAs(type, { ...given, importance }, source, student, output));
      if (importance_matrix && !isUsed)
        return exported.map((file) => ({ ...file, notes: [...(file.notes ?? []), NOT_USED] }));
      if (importance) await writeWholeFrom(join(output, MATRIX), writeImportance(importance.matrix));
      return exported;
    },
});

const NOT_USED = "importance_matrix makes no difference here: only types of fewer than 8 bits are rounded by it.";

function importanceFrom({ importance }: Source, options: ImportanceOptions): Promise<Importance> {
  if (!importance) throw new Error("An export that is rounded by an importance matrix needs a source that has one.");
  return importance(options);
}

/** The matrix is left beside the files, for whoever quantises the student otherwise. */
const MATRIX = "imatrix.gguf";

/** What files of every type have in common; a large vocabulary takes seconds. */
function readStudent(folder: string) {
  const config = readConfig(folder);
  const source = join(folder, "config.json");
  const model = createModel(config, source);
  const layout = ggufLayout(config, source);
  return { model, layout, tokenizer: ggufTokenizer(folder, model.head.shape[0] as number) };
}

async function exportAs(
  type: TypeName,
  given: TensorTypes & { importance?: Importance | undefined },
  { folder, importance: _, ...named }: Source,
  { model, layout, tokenizer }: ReturnType<typeof readStudent>,
  output: string,
): Promise<Exported> {
  const path = join(output, `model-${type}.gguf`);
  const names = new Map(layout.tensors.map((name) => [name.name, name]));
  const { layers } = model.cache;
  const { importance } = given;
  const tensors: (GgufTensor & { wanted: EncodedType; type: EncodedType })[] = [
    ...layout.extra.map(({ gguf, shape }) => ({ name: gguf, shape, wanted: "F32" as const, type: "F32" as const })),
    ...model.parameters.map(({ name, shape }) => {
      const tensor = { name: names.get(name)!.gguf, shape };
      return { ...tensor, ...typeOf(tensor, layers, type, given, importance !== undefined) };
    }),
  ];
  const columns = importance && importanceOf(importance, tensors);
  const isUsed = columns !== undefined && tensors.some((tensor) => isWeighted(tensor.type) && columns.has(tensor.name));
  const metadata: Metadata = new Map<string, MetadataValue>([
    ["general.architecture", string(layout.architecture)],
    ...describeModel({ name: basename(resolve(folder)), ...named }, elementsIn(model.parameters)),
    ["general.file_type", uint32(fileType(type))],
    ["general.quantization_version", uint32(2)],
    ...(importance && isUsed ? importanceMetadata(importance) : []),
    ...[...layout.metadata].map(([key, value]) => [`${layout.architecture}.${key}`, value] as const),
    ...tokenizer,
  ]);

  const weights = loadWeights(folder, model);
  const read = (i: number): Uint8Array => {
    const extra = layout.extra[i];
    if (extra) return encodeGgml("F32", extra.data);
    const weight = weights.next().value as Weight;
    const data = arrangeWeight(weight.data, names.get(weight.name)!, weight.shape[0]!);
    return encoded(data, weight.name, tensors[i]!.type, columns?.get(tensors[i]!.name));
  };
  try {
    await writeWholeFrom(path, writeGguf(metadata, tensors, read));
  } finally {
    weights.return(undefined);
  }
  const notes = notesOf(tensors);
  return {
    name: `gguf-${type}`,
    path,
    bytes: statSync(path).size,
    ...(importance && isUsed ? { importance_matrix: describeImportance(importance) } : {}),
    ...(notes.length > 0 ? { notes } : {}),
  };
}

/** Which tensors have another type than they are meant to have, a sentence for each pair of types. */
function notesOf(tensors: readonly (GgufTensor & { wanted: EncodedType })[]): string[] {
  const groups = new Map<string, (typeof tensors)[number][]>();
  for (const tensor of tensors) {
    const { wanted, type, shape } = tensor;
    if (wanted === type) continue;
    const key = `${type} in place of ${wanted}, since rows of ${shape.at(-1)} are no multiple of ${blockSize(wanted)}`;
    groups.set(key, [...(groups.get(key) ?? []), tensor]);
  }
  return [...groups].map(
    ([what, [first, ...more]]) => `${first!.name}${more.length > 0 ? ` and ${more.length} more` : ""}: ${what}.`,
  );
}

/** The largest magnitude that a type holds: halves end at 65504, and blocks scale by them. */
const LARGEST: Partial<Record<EncodedType, number>> = {
  F16: 65504,
  Q8_0: 65504 * 127,
  Q6_K: 65504 * 128,
  Q5_K: 65504 * 63,
  Q5_1: 65504,
  Q5_0: 65504 * 16,
  Q4_K: 65504 * 63,
  Q4_1: 65504,
  Q4_0: 65504 * 8,
};

function encoded(data: Float32Array, name: string, type: EncodedType, columns?: Float32Array): Uint8Array {
  let largest = 0;
  for (const x of data) {
    if (!Number.isFinite(x)) throw new DistillError(`The weight "${name}" holds ${x}; it cannot be exported.`);
    largest = Math.max(largest, Math.abs(x));
  }
  const limit = LARGEST[type];
  if (limit && largest > limit)
    throw new DistillError(`The weight "${name}" holds ${largest}, and ${type} ends at ${limit}. Export bf16 or f32.`);
  return encodeGgml(type, data, columns);
}
