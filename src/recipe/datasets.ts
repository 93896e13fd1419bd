/** @file What a recipe says of the rows that are trained on, and of those that the loss is measured on. */

import { z } from "zod";
import { oneOf } from "../core/component.ts";
import { written } from "../core/sizes.ts";
import { DatasetPath } from "../data/files/places.ts";
import * as generators from "../data/generators/index.ts";
import { ReadOptions } from "../data/rows.ts";

const seed = z.int().nonnegative().default(0).describe("Of its random numbers.");

const weight = z
  .number()
  .positive()
  .optional()
  .describe("How often each of its rows comes in a mix: 0.5 is every other one, by chance, and 2 is twice each.");

/** Rows of a training dataset, from a file or from a program that writes them. */
export const OneDataset = z.union([
  z.strictObject({
    path: DatasetPath.describe(
      "A file or several, a pattern, a folder of save_to_disk, FOLDER:SPLIT, or hf:datasets/owner/name:file.",
    ),
    limit: z.int().positive().optional().describe("The first so many of its rows; all unless given."),
    ...ReadOptions.shape,
    weight,
  }),
  z.strictObject({
    generate: oneOf(generators).describe("The program that writes the rows."),
    rows: written.describe("How many rows it writes."),
    seed,
    weight,
  }),
]);
export const Dataset = z.union([
  OneDataset,
  z.strictObject({
    mix: z.array(OneDataset).min(1).describe("Several datasets, whose rows come as often as their weights say."),
  }),
]);

/** Rows that the student's loss is measured on: a dataset of its own, or a share of the rows that are then not trained on. */
export const EvaluationDataset = z.preprocess(
  (given, context) => {
    const keys = Object.keys(given ?? {});
    const other = keys.find((key) => ["path", "generate", "mix"].includes(key));
    if (keys.includes("split") && other)
      context.addIssue(`give either split, a share of the rows that are trained on, or ${other}, rows of its own`);
    return given;
  },
  z.union([
    ...Dataset.options,
    z.strictObject({
      split: z
        .number()
        .gt(0, "give a share above 0")
        .lt(1, "give a share below 1")
        .describe("The share of the rows that are trained on that is left out for it."),
      seed,
    }),
  ]),
);
