/** @file Folders as Hugging Face's save_to_disk writes them: shards of Arrow streams, state.json, dataset_info.json. */

import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Table } from "apache-arrow";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { readJson, writeFolder, writeWhole } from "../core/files.ts";
import { sha256 } from "../core/hash.ts";
import { decodeArrow, encodeStream, intactLength } from "../formats/arrow.ts";

/** A dataset that grows by whole record batches. What was appended is on disk; a torn tail is cut off when it is opened again. */
export type DatasetWriter = {
  append(table: Table): void;
  close(): void;
};

const SHARD_BYTES = 256 * 2 ** 20;

const State = z.looseObject({ _data_files: z.array(z.looseObject({ filename: z.string().regex(/^[^/\\]+$/) })) });

type WriterOptions = {
  shardBytes?: number;
  /** When bytes are flushed to the disk: at every append, or when a shard is closed. */
  sync?: "append" | "close";
};

/** Open a folder to append to, new or as an earlier run left it. */
export function openDataset(
  folder: string,
  { shardBytes = SHARD_BYTES, sync = "append" }: WriterOptions = {},
): DatasetWriter {
  mkdirSync(folder, { recursive: true });
  const files = existsSync(join(folder, "state.json")) ? dataFiles(folder) : [];
  let shard: { path: string; file: number; length: number } | undefined;
  if (files.length > 0) {
    const path = join(folder, files.at(-1)!);
    const length = intactLength(readFileSync(path));
    const file = openSync(path, "r+");
    ftruncateSync(file, length);
    shard = { path, file, length };
  }
  const release = () => {
    if (shard) {
      if (sync === "close") fsyncSync(shard.file);
      closeSync(shard.file);
    }
    shard = undefined;
  };
  return {
    append(table) {
      const { schema, batches } = encodeStream(table);
      if (shard && shard.length + batches.length > shardBytes && shard.length > schema.length) release();
      if (!shard) {
        const name = `data-${String(files.length).padStart(5, "0")}.arrow`;
        const path = join(folder, name);
        shard = { path, file: openSync(path, "w"), length: 0 };
        extend(shard, schema, sync);
        files.push(name);
        describe(folder, files);
      }
      extend(shard, shard.length === 0 ? join2(schema, batches) : batches, sync);
    },
    close() {
      release();
      if (files.length > 0) describe(folder, files);
    },
  };
}

/** Write a whole dataset, or nothing. */
export const writeDataset = (path: string, tables: Iterable<Table> | AsyncIterable<Table>): Promise<void> =>
  writeFolder(path, async (folder) => {
    const writer = openDataset(folder, { sync: "close" });
    for await (const table of tables) writer.append(table);
    writer.close();
  });

/** The tables of a folder, shard by shard. */
export function* readDataset(folder: string): Generator<{ path: string; table: Table }> {
  for (const path of shardsOf(folder)) yield { path, table: decodeArrow(readFileSync(path), path) };
}

/** The paths of a folder's shards in their order. */
export function* shardsOf(folder: string): Generator<string> {
  for (const name of dataFiles(folder)) {
    const path = join(folder, name);
    if (!existsSync(path)) throw new DistillError(`${path} is missing, and ${join(folder, "state.json")} names it.`);
    yield path;
  }
}

/** The shards in their order: those that state.json names, or every .arrow file where there is none. */
function dataFiles(folder: string): string[] {
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

/** The files beside the shards that Hugging Face's datasets reads. Features are left for it to infer from the schema. */
function describe(folder: string, files: readonly string[]): void {
  if (!existsSync(join(folder, "dataset_info.json"))) writeWhole(join(folder, "dataset_info.json"), "{}\n");
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

/** What Hugging Face's caches go by: the sizes of all shards and the content of the last. */
function fingerprint(folder: string, files: readonly string[]): string {
  const hash = createHash("sha256");
  for (const name of files) hash.update(`${name} ${statSync(join(folder, name)).size}\n`);
  return hash
    .update(sha256(join(folder, files.at(-1)!)))
    .digest("hex")
    .slice(0, 16);
}

const join2 = (a: Uint8Array, b: Uint8Array) => Buffer.concat([a, b]);

/** Write behind the last whole message. Where that fails the shard is as it was. */
function extend(
  shard: { path: string; file: number; length: number },
  bytes: Uint8Array,
  sync: WriterOptions["sync"],
): void {
  try {
    for (let done = 0; done < bytes.length; )
      done += writeSync(shard.file, bytes, done, bytes.length - done, shard.length + done);
    if (sync === "append") fsyncSync(shard.file);
  } catch (error) {
    ftruncateSync(shard.file, shard.length);
    throw new DistillError(
      `Cannot write ${shard.path}: ${(error as Error).message}. What was there before is kept; the same command continues.`,
    );
  }
  shard.length += bytes.length;
}
