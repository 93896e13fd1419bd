/** @file What a dataset's path names: a file, a folder of save_to_disk, a split of several, or all files of a pattern. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { globSync, isDynamicPattern } from "tinyglobby";
import { z } from "zod";
import { DistillError } from "../../core/errors.ts";
import { readJson } from "../../core/reading.ts";
import { unpackedName } from "./bytes.ts";
import { configured } from "./card.ts";
import type { RowFile } from "./found.ts";
import * as kinds from "./index.ts";

/** A file of rows, or a folder of Arrow's shards. */
export type Place = { path: string; folder: boolean };

/** One path, or several. */
export const DatasetPath = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
export type DatasetPath = string | readonly string[];

/** How a dataset is named in sentences. */
export const describePath = (path: DatasetPath): string => (typeof path === "string" ? path : path.join(", "));

/** The places of a dataset's rows, in their order. */
export const placesOf = (path: DatasetPath): Place[] =>
  (typeof path === "string" ? [path] : path).flatMap((one) => placesOfOne(one));

function placesOfOne(path: string): Place[] {
  if (existsSync(path)) return statSync(path).isDirectory() ? inFolder(path) : [{ path, folder: false }];
  const [, folder, split] = /^(.+):([\w.-]+)$/.exec(path) ?? [];
  if (folder && existsSync(folder) && statSync(folder).isDirectory()) return ofSplit(folder, split!);
  const [, sliced, part] = /^(.+):([\w.-]+)\[.*\]$/.exec(path) ?? [];
  if (sliced && existsSync(sliced))
    throw new DistillError(
      `Dataset not found: ${path}. A part of a split is not named so: give ${sliced}:${part}, and dataset.limit for the first of its rows.`,
    );
  const home = /(^|\/)~\//.test(path) ? " Only a shell knows what ~ is: write the folder out." : "";
  if (!isDynamicPattern(path)) throw new DistillError(`Dataset not found: ${path}.${home}`);
  const found = globSync(path, { absolute: true }).sort();
  if (found.length === 0) throw new DistillError(`Dataset not found: no file is called ${path}.${home}`);
  return found.map((path) => ({ path, folder: false }));
}

const DICT = "dataset_dict.json";
const Splits = z.object({ splits: z.array(z.string()) });

function inFolder(path: string): Place[] {
  if (isShards(path)) return [{ path, folder: true }];
  if (existsSync(join(path, DICT))) throw unnamed(path, splitsOfDict(path));
  if (existsSync(join(path, "manifest.json")))
    throw new DistillError(
      `${path} is the folder of a run${existsSync(join(path, "dataset")) ? `. Give what it holds: ${join(path, "dataset")}` : ", which holds no dataset. Give the rows that are meant"}.`,
    );
  const files = splitFilesIn(path);
  const splits = [...new Set(files.map(({ split }) => split))];
  const named = splits.filter((split) => split !== undefined);
  if (splits.length > 1 && named.length === splits.length) throw unnamed(path, named);
  if (splits.length > 1)
    throw new DistillError(
      `${path} has files of the split ${named.join(", ")} and files of none. Give those that are meant, as a list or a pattern such as ${join(path, "*.jsonl")}.`,
    );
  return files.map(({ path }) => ({ path, folder: false }));
}

/** The files of rows in a folder with their splits: those that its card names, or all there are, by their names. */
function splitFilesIn(folder: string): { path: string; split: string | undefined }[] {
  const card = configured(folder);
  if (!card?.splits) {
    const place = card?.folder ?? folder;
    return filesIn(place).map((path) => ({ path, split: splitIn(path, place) }));
  }
  return card.splits.flatMap(({ split, patterns }) => {
    const found = globSync([...patterns], { absolute: true }).sort();
    if (found.length === 0)
      throw new DistillError(
        `${join(folder, "README.md")} names ${patterns.join(", ")} as files of the split ${split}, and there are none. Get the dataset whole, or give the files that are there as a pattern.`,
      );
    return found.map((path) => ({ path, split }));
  });
}

const isShards = (path: string): boolean => existsSync(join(path, "state.json"));

function ofSplit(folder: string, split: string): Place[] {
  if (existsSync(join(folder, DICT))) {
    const splits = splitsOfDict(folder);
    if (!splits.includes(split)) throw unknown(folder, split, splits);
    return [{ path: join(folder, split), folder: true }];
  }
  const files = isShards(folder) ? [] : splitFilesIn(folder);
  const named = files.filter((file) => file.split === split);
  const found = named.length > 0 ? named : files.filter((file) => file.split === (KEYWORDS[split] ?? split));
  if (found.length === 0) throw unknown(folder, split, [...new Set(files.flatMap((file) => file.split ?? []))]);
  return found.map(({ path }) => ({ path, folder: false }));
}

function splitsOfDict(folder: string): string[] {
  const path = join(folder, DICT);
  const read = Splits.safeParse(readJson(path, "The dataset's splits"));
  const splits = read.success ? read.data.splits.filter((name) => /^[\w.-]+$/.test(name) && !/^\.+$/.test(name)) : [];
  if (splits.length === 0) throw new DistillError(`${path} names no splits. Expected { "splits": ["train", …] }.`);
  return splits;
}

function unnamed(path: string, splits: readonly string[]): DistillError {
  const sorted = [...splits].sort((a, b) => Number(b === "train") - Number(a === "train"));
  return new DistillError(
    `${path} has the splits ${sorted.join(", ")}. Give one of them: ${path}:${sorted[0]}, or a list of them all.`,
  );
}

const unknown = (folder: string, split: string, splits: readonly string[]) =>
  new DistillError(
    `${folder} has no split "${split}". ${splits.length > 0 ? `Expected one of: ${splits.join(", ")}` : "It has no splits; give the folder alone"}.`,
  );

/** The files of rows in a folder and below it, all of one kind. */
function filesIn(path: string): string[] {
  const files = readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !NO_ROWS_BELOW.test(`${entry.parentPath.slice(path.length)}/${entry.name}`))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => kindOf(file) && !NOT_ROWS.test(basename(file)))
    .sort();
  const kinds = [...new Set(files.map(kindOf))];
  if (files.length === 0)
    throw new DistillError(
      `${path} holds no .arrow files, and none of ${endings().join(", ")}. Expected a folder that datasets.save_to_disk wrote, or one of such files.`,
    );
  if (kinds.length > 1)
    throw new DistillError(
      `${path} holds files of several kinds, such as ${kinds.map((kind) => basename(files.find((file) => kindOf(file) === kind)!)).join(" and ")}. Give those that are meant, as a list or a pattern such as ${join(path, "*.jsonl")}.`,
    );
  requireAll(files);
  return files;
}

/** What is hidden, and what people decided about files beside it. */
const NO_ROWS_BELOW = /\/[._]|\.decisions\//;

const NUMBERED = /^(.*-)(\d{5})-of-(\d{5})(.*)$/;

/** Throw where files are numbered as so many, and one is missing. */
function requireAll(files: readonly string[]): void {
  const there = new Set(files.map((file) => file.replace(NUMBERED, "$1$2-of-$3")));
  for (const file of files) {
    const [, before, , all] = NUMBERED.exec(file) ?? [];
    for (let i = 0; i < Number(all ?? 0); i++) {
      const name = `${before}${String(i).padStart(5, "0")}-of-${all}`;
      if (!there.has(name))
        throw new DistillError(
          `${name} is missing, of ${Number(all)} files that belong together. Get it, or give those that are there as a pattern.`,
        );
    }
  }
}

/** Files that lie beside rows. */
const NOT_ROWS = /^(?:dataset_infos?\.json|requirements\.txt|LICENSE.*|cache-.*\.arrow)$/;

/** What splits are called, as the hub's datasets call them. */
const KEYWORDS: Record<string, string> = {
  train: "train",
  training: "train",
  validation: "validation",
  valid: "validation",
  val: "validation",
  dev: "validation",
  test: "test",
  testing: "test",
  eval: "test",
  evaluation: "test",
};
const KEYWORD = new RegExp(`(?:^|[-_. ])(${Object.keys(KEYWORDS).join("|")})(?:[-_. ]|$)`);

/** The split that the name of a file says, train-00000-of-00002.parquet, or else the folder that it is in. */
function splitIn(file: string, folder: string): string | undefined {
  const parts = file.slice(folder.length + 1).split("/");
  for (const part of parts.reverse()) {
    const found = KEYWORD.exec(part)?.[1];
    if (found !== undefined) return KEYWORDS[found];
  }
  return undefined;
}

/** The kind of file that a name says. */
export const kindOf = (path: string): RowFile | undefined => {
  const name = unpackedName(path).toLowerCase();
  return Object.values<RowFile>(kinds).find(({ endings }) => endings.some((ending) => name.endsWith(ending)));
};

const endings = () => Object.values<RowFile>(kinds).flatMap(({ endings }) => endings);
