/** @file Where the examples of a dataset are kept once they are tokenised, and what they hang on. */

import { statSync } from "node:fs";
import { contentHash } from "../../core/hash.ts";
import { decisionsAbout } from "../../data/decided-rows.ts";
import { decisionsInput } from "../../data/decisions.ts";
import type { ExampleCache } from "../../data/examples.ts";
import { type DatasetPath, type Place, placesOf } from "../../data/files/places.ts";
import type { TrainOn } from "../../data/segments.ts";
import type { DatasetSource } from "../../data/sources.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { versions } from "../versions.ts";
import type { Context } from "./context.ts";

/** What a dataset's content hangs on. */
export function datasetContent(context: Pick<Context, "folder" | "hub">, dataset: DatasetSource): unknown {
  if ("mix" in dataset) return dataset.mix.map((one) => datasetContent(context, one));
  if (!("path" in dataset)) return dataset;
  const { path, limit, ...reading } = dataset;
  const here = [path].flat().filter((one) => context.hub.get(one) === undefined); // what comes from the hub may not be here yet
  const { decisions } = decisionsInput(decisionsAbout(here));
  const files = filesContent(context, path);
  const content = decisions === undefined ? files : [files, { decisions }];
  const given = Object.values(reading).some((value) => value !== undefined);
  return limit === undefined && !given
    ? content
    : [content, ...(limit === undefined ? [] : [limit]), ...(given ? [reading] : [])];
}

/** What files hold; of what comes from the hub its reference. */
function filesContent({ folder: { hashes }, hub }: Pick<Context, "folder" | "hub">, path: DatasetPath): unknown {
  const known = typeof path === "string" ? hub.get(path) : undefined;
  if (known !== undefined) return known;
  const hashed = ({ path, folder }: Place) => hub.get(path) ?? (folder ? hashes.folder(path) : hashes.file(path));
  const all = placesOf(path).map(hashed);
  return all.length === 1 ? all[0] : all;
}

/** What the examples of a dataset are made of. */
export function examplesInput(
  context: Pick<Context, "folder" | "hub">,
  dataset: DatasetSource,
  { folder, template }: Pick<Tokenizer, "folder" | "template">,
  trainOn: TrainOn = "completions",
) {
  const { hashes } = context.folder;
  const hash = statSync(folder).isDirectory() ? hashes.folder(folder) : hashes.file(folder); // or the file that it is in
  return {
    content: [datasetContent(context, dataset), hash],
    template,
    ...(trainOn === "completions" ? {} : { train_on: trainOn }),
  };
}

/** Where the examples of a dataset are kept for plan, train and inspect alike. */
export function cacheOf(
  context: Pick<Context, "folder" | "hub">,
  dataset: DatasetSource,
  tokenizer: Pick<Tokenizer, "folder" | "template">,
  { train_on = "completions" }: { train_on?: TrainOn } = {},
): ExampleCache {
  const { distill } = versions();
  const keyNow = () => contentHash({ ...examplesInput(context, dataset, tokenizer, train_on), distill });
  return { key: keyNow(), keyNow, folder: context.folder.cache("tokenized") };
}
