/** @file Which columns of matrices count for more when blocks are rounded: what a recipe says of it, and whether a matrix is the model's. */

import { z } from "zod";
import { DistillError } from "../../core/errors.ts";
import { DatasetPath } from "../../data/files/places.ts";
import { ReadOptions } from "../../data/rows.ts";
import { type MetadataValue, string, uint32 } from "../../formats/gguf.ts";
import { type ImportanceMatrix, importances } from "../../formats/imatrix.ts";

/** Where an importance matrix comes from: a file, or texts that the student reads. */
export const ImportanceOptions = z
  .union([
    z.strictObject({
      path: z
        .string()
        .min(1)
        .describe("A matrix of this model that is there already: GGUF, as llama-imatrix writes it."),
    }),
    z.strictObject({
      dataset: z
        .strictObject({
          path: DatasetPath.describe("Rows as they are trained on: files, folders, or hf:datasets/owner/name:file."),
          limit: z.int().positive().optional().describe("The first so many of its rows; all unless given."),
          ...ReadOptions.shape,
        })
        .optional()
        .describe("The texts; those that the student was trained on unless given."),
      tokens: z.int().positive().default(32_768).describe("How many tokens of them the student reads at most."),
    }),
  ])
  .optional()
  .describe(
    "Round so that errors are small in the columns that the student's activations are large in; q8_0 and more bits have no use for it.",
  );
export type ImportanceOptions = NonNullable<z.output<typeof ImportanceOptions>>;

/** A matrix, and what the file is called that it was read from or is kept in. */
export type Importance = { matrix: ImportanceMatrix; file: string };

/** The importance of each column, by the tensor's name. Throws where the matrix is not one of a model with these tensors. */
export function importanceOf(
  { matrix, file }: Importance,
  tensors: readonly { name: string; shape: readonly number[] }[],
): Map<string, Float32Array> {
  const refuse = (why: string): never => {
    throw new DistillError(`The importance matrix ${file} is of another model: ${why}.`);
  };
  const known = new Map(tensors.filter(({ shape }) => shape.length === 2).map(({ name, shape }) => [name, shape]));
  for (const [name, { sums }] of matrix.entries) {
    const width = known.get(name)?.[1];
    if (width === undefined) refuse(`it has "${name}", and this model has no such matrix`);
    if (sums.length !== width) refuse(`it has ${sums.length} columns for "${name}", and that matrix reads ${width}`);
  }
  const lacking = [...known.keys()].find((name) => name.startsWith("blk.") && !matrix.entries.has(name));
  if (lacking) refuse(`it has nothing for "${lacking}"`);
  return new Map([...matrix.entries].map(([name, sums]) => [name, importances(sums)]));
}

/** What llama-quantize says in a file of the matrix that it was given. */
export function importanceMetadata({ matrix, file }: Importance): [string, MetadataValue][] {
  const { entries, datasets, chunk_count } = matrix;
  return [
    ["quantize.imatrix.file", string(file)],
    ...(datasets[0] === undefined
      ? []
      : [["quantize.imatrix.dataset", string(datasets[0])] as [string, MetadataValue]]),
    ["quantize.imatrix.entries_count", uint32(entries.size)],
    ["quantize.imatrix.chunks_count", uint32(chunk_count)],
  ];
}

/** 32,768 tokens of the training texts of toy */
export function describeImportance({ matrix: { entries, datasets }, file }: Importance): string {
  const tokens = Math.max(...[...entries.values()].map(({ count }) => count));
  return `${tokens.toLocaleString("en-GB")} tokens of ${datasets.join(", ") || file}`;
}
