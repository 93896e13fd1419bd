/** @file Where the examples of a dataset are kept once they are tokenised, and what they hang on. */

import { existsSync, statSync } from "node:fs";
import { DistillError } from "../../core/errors.ts";
import { contentHash } from "../../core/hash.ts";
import type { DatasetSource, ExampleCache } from "../../data/examples.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { versions } from "../versions.ts";
import type { Context } from "./context.ts";

/** What a dataset's content hangs on. */
export function datasetContent(context: Pick<Context, "folder" | "hub">, dataset: DatasetSource): unknown {
  if ("mix" in dataset) return dataset.mix.map((one) => datasetContent(context, one));
  if (!("path" in dataset)) return dataset;
  if (dataset.limit !== undefined) return [datasetContent(context, { path: dataset.path }), dataset.limit];
  const reference = context.hub.get(dataset.path);
  if (reference !== undefined) return reference;
  const { hashes } = context.folder;
  if (!existsSync(dataset.path)) throw new DistillError(`Dataset not found: ${dataset.path}.`);
  return statSync(dataset.path).isDirectory() ? hashes.folder(dataset.path) : hashes.file(dataset.path);
}

/** What the examples of a dataset are made of. */
export function examplesInput(
  context: Pick<Context, "folder" | "hub">,
  dataset: DatasetSource,
  { folder, template }: Pick<Tokenizer, "folder" | "template">,
) {
  const { hashes } = context.folder;
  const hash = statSync(folder).isDirectory() ? hashes.folder(folder) : hashes.file(folder); // or the file that it is in
  return { content: [datasetContent(context, dataset), hash], template };
}

/** Where the examples of a dataset are kept for plan, train and inspect alike. */
export function cacheOf(
  context: Pick<Context, "folder" | "hub">,
  dataset: DatasetSource,
  tokenizer: Pick<Tokenizer, "folder" | "template">,
): ExampleCache {
  const { distill } = versions();
  const keyNow = () => contentHash({ ...examplesInput(context, dataset, tokenizer), distill });
  return { key: keyNow(), keyNow, folder: context.folder.cache("tokenized") };
}
