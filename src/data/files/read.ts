/** @file The rows of a dataset, whatever its files are. */

import { statSync } from "node:fs";
import { extname } from "node:path";
import { DistillError } from "../../core/errors.ts";
import { readDataset } from "../dataset-folder.ts";
import { arrow, rowsIn } from "./arrow.ts";
import { unpackedName } from "./bytes.ts";
import type { Found, RowFile } from "./found.ts";
import { json } from "./json.ts";
import { columnsIn } from "./magic.ts";
import { parquet } from "./parquet.ts";
import { type DatasetPath, kindOf, placesOf } from "./places.ts";

/** The rows of all places of a path, one after the other. */
export async function* readRows(path: DatasetPath): AsyncGenerator<Found> {
  for (const { path: place, folder } of placesOf(path)) yield* folder ? shards(place) : fileRows(place);
}

/** The rows of one file; what begins as a file of columns is one, and a file whose name says nothing is taken for JSON. */
export function fileRows(path: string): ReturnType<typeof json.rows> {
  if (!statSync(path).isFile()) throw new DistillError(`Cannot read Dataset ${path}: it is not a file.`);
  const kind = KINDS[columnsIn(path) ?? ""] ?? kindOf(path) ?? json;
  if (BINARY.has(extname(unpackedName(path))) && unpackedName(path) !== path)
    throw new DistillError(`${path}: a file of columns is read where it lies. Unpack it first.`);
  return kind.rows(path);
}

const KINDS: Record<string, RowFile> = { arrow, parquet };

const BINARY = new Set([".arrow", ".feather", ".ipc", ".parquet"]);

function* shards(folder: string): Generator<Found> {
  let [shard, row] = ["", 0];
  for (const { path, table } of readDataset(folder)) {
    if (path !== shard) [shard, row] = [path, 0];
    for (const found of rowsIn(table, path, row)) {
      row++;
      yield found;
    }
  }
}
