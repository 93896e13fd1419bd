/** @file Folders as Hugging Face's save_to_disk writes them: shards of Arrow streams, state.json, dataset_info.json. */

import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { writeFolder, writeWhole } from "../core/files.ts";
import { sha256 } from "../core/hash.ts";
import { readJson } from "../core/reading.ts";
import { readFile } from "../core/streams.ts";
import type { Table } from "../formats/apache-arrow.ts";
import { arrowTables, END_OF_STREAM, encodeStream } from "../formats/arrow.ts";
import { damageIn, readSeal } from "../store/seal.ts";

const SHARD_BYTES = 256 * 2 ** 20;

const FILE_NAME = /^(?!\.\.?$)[^/\\]+$/;
const State = z.looseObject({ _data_files: z.array(z.looseObject({ filename: z.string().regex(FILE_NAME) })) });

/** Write a dataset into a folder that is new. */
export async function fillDataset(
  folder: string,
  tables: Iterable<Table> | AsyncIterable<Table>,
  shardBytes = SHARD_BYTES,
): Promise<void> {
  const files: string[] = [];
  let shard: { file: number; length: number } | undefined;
  const write = (bytes: Uint8Array) => {
    for (let done = 0; done < bytes.length; ) done += writeSync(shard!.file, bytes, done, bytes.length - done);
    shard!.length += bytes.length;
  };
  const end = () => {
    if (!shard) return;
    write(END_OF_STREAM);
    closeSync(shard.file);
    shard = undefined;
  };
  try {
    for await (const table of tables) {
      const { schema, batches } = encodeStream(table);
      if (shard && shard.length + batches.length > shardBytes && shard.length > schema.length) end();
      if (!shard) {
        files.push(`data-${String(files.length).padStart(5, "0")}.arrow`);
        shard = { file: openSync(join(folder, files.at(-1)!), "w"), length: 0 };
        write(schema);
      }
      write(batches);
    }
    end();
  } catch (error) {
    if (shard) closeSync(shard.file);
    const { code, message } = error as NodeJS.ErrnoException;
    throw code ? new DistillError(`Cannot write ${folder}: ${message}. Nothing was written there.`) : error;
  }
  if (files.length > 0) describeDataset(folder, files);
}

/** Write a whole dataset where nothing is yet, or nothing. */
export const writeDataset = (path: string, tables: Iterable<Table> | AsyncIterable<Table>): Promise<void> =>
  writeFolder(path, (folder) => fillDataset(folder, tables));

/** The record batches of a folder, shard by shard. A sealed folder is compared with its seal first. */
export function* readDataset(folder: string): Generator<{ path: string; table: Table }> {
  for (const path of shardsOf(folder)) for (const table of arrowTables(path, mayBeCut)) yield { path, table };
}

/** What is said of a stream of somebody's that ends without an end marker. */
export function mayBeCut(path: string): void {
  console.error(`${path} ends without the marker of its end: if its writer was stopped, rows are missing.`);
}

/** The paths of a folder's shards in their order. */
export function* shardsOf(folder: string): Generator<string> {
  const sealed = readSeal(folder);
  const damage = sealed && (sealed.damage ?? damageIn(folder, sealed.seal, sha256));
  if (damage) throw new DistillError(`${damage}. Make it again: remove ${folder}, and run the recipe that wrote it.`);
  for (const name of filesOf(folder)) {
    const path = join(folder, name);
    if (!existsSync(path)) throw new DistillError(`${path} is missing, and ${join(folder, "state.json")} names it.`);
    yield path;
  }
}

/** The shards in their order: those that state.json names, or every .arrow file where there is none. */
function filesOf(folder: string): string[] {
  const path = join(folder, "state.json");
  if (existsSync(path)) {
    const state = State.safeParse(readJson(path, "The dataset's state.json"));
    if (!state.success)
      throw new DistillError(`${path} does not name the dataset's files: ${state.error.issues[0]!.message}.`);
    return state.data._data_files.map(({ filename }) => filename);
  }
  const files = readdirSync(folder).filter((file) => file.endsWith(".arrow"));
  if (files.length === 0)
    throw new DistillError(`${folder} holds no .arrow files. Expected a folder that datasets.save_to_disk wrote.`);
  return files.sort();
}

/** Write the files beside the shards that Hugging Face's datasets reads, which infers features from the schema. */
export function describeDataset(folder: string, files: readonly string[]): void {
  const info = join(folder, "dataset_info.json");
  if (!existsSync(info) || readFile(info).toString("utf8") !== INFO) writeWhole(info, INFO);
  const state = {
    _data_files: files.map((filename) => ({ filename })),
    _fingerprint: fingerprint(folder, files),
    _format_columns: null,
    _format_kwargs: {},
    _format_type: null,
    _output_all_columns: false,
    _split: null,
  };
  writeWhole(join(folder, "state.json"), `${JSON.stringify(state, null, 2)}\n`);
}

const INFO = "{}\n";

/** What Hugging Face's caches go by: the sizes of all shards and the content of the last. */
function fingerprint(folder: string, files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const name of files) hash.update(`${name} ${statSync(join(folder, name)).size}\n`);
  return hash
    .update(sha256(join(folder, files.at(-1)!)))
    .digest("hex")
    .slice(0, 16);
}
