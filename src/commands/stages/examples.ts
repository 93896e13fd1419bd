/** @file The examples of a recipe: those that are trained on, and those that the loss is measured on. */

import type { Segments } from "../../data/example-store.ts";
import { readExamples } from "../../data/examples.ts";
import { describeFindings } from "../../data/findings.ts";
import type { DatasetSource } from "../../data/sources.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { rowsInBoth, type Split, splitOff } from "../../data/validation.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { type Context, datasetOf } from "./context.ts";
import { cacheOf, datasetContent } from "./example-cache.ts";

type Examples = {
  /** What is trained on, where the recipe has a dataset. */
  segments?: Segments;
  /** What the loss is measured on, where the recipe says so. */
  validation?: Segments;
};

/** The rows that are split off the dataset, where some are, as an input of a stage. */
export const splitInput = ({ evaluation_dataset: measured }: Recipe): { split?: Split } =>
  measured && "split" in measured ? { split: measured } : {};

/** What evaluation_dataset says, as an input of a stage. */
export function validationInput(context: Pick<Context, "recipe" | "folder" | "hub">): Record<string, unknown> {
  const { evaluation_dataset: measured } = context.recipe;
  if (!measured) return {};
  return { evaluation_dataset: "split" in measured ? measured : datasetContent(context, measured) };
}

/** What is trained on of a dataset's examples. */
export function trainedOn(recipe: Recipe, segments: Segments): Segments {
  const { split } = splitInput(recipe);
  return split ? splitOff(segments, split).training : segments;
}

/** The examples of the recipe; undefined where `signal` ended it. */
export async function examplesOf(
  context: Context,
  tokenizer: Tokenizer,
  signal: AbortSignal,
): Promise<Examples | undefined> {
  const { recipe } = context;
  if (!recipe.dataset && !recipe.sampling) return {};
  const read = async (source: DatasetSource, what: string, overlength = recipe.trainer.overlength) => {
    const options = { ...recipe.trainer, overlength };
    const cache = cacheOf(context, source, tokenizer, recipe.trainer);
    const examples = await readExamples(source, tokenizer, options, signal, cache);
    if (!examples) return undefined;
    const { name, segments, dropped, findings } = examples;
    for (const line of describeFindings(name, findings)) console.error(line);
    if (dropped.length > 0)
      console.error(
        `${dropped.length} of ${dropped.length + segments.length} ${what} are longer than ${recipe.trainer.max_length} tokens and were left out, not cut.`,
      );
    return segments;
  };
  const segments = await read(datasetOf(context), "examples");
  if (!segments) return undefined;
  const { evaluation_dataset: measured } = recipe;
  if (!measured) return { segments };
  if ("split" in measured) {
    const { training, validation } = splitOff(segments, measured);
    sayRowsInBoth(training, validation);
    return { segments: training, validation };
  }
  const validation = await read(measured, "examples of evaluation_dataset", "drop");
  if (!validation) return undefined;
  sayRowsInBoth(segments, validation);
  return { segments, validation };
}

function sayRowsInBoth(training: Segments, validation: Segments): void {
  const both = rowsInBoth(training, validation);
  const rows = new Set(validation.rows).size;
  if (both > 0)
    console.error(`${both} of ${rows} rows that the loss is measured on are also trained on, word for word.`);
}
