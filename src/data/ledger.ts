/**
 * @file Ledgers: rows that are appended as record batches of Arrow streams and never written again. Each file says under
 * which key its rows were made, and is read under that key only. Hugging Face's datasets opens the folder as it is.
 */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { RecordBatch, Schema, Table } from "../formats/apache-arrow.ts";
import { decodeBatch, encodeStream, scanStream } from "../formats/arrow.ts";
import { openAppendLog, readExtent, readExtents } from "../store/append-log.ts";
import { dataFilesIn, type Extent } from "../store/checksums.ts";
import { describeDataset } from "./dataset-folder.ts";

/** Some rows of a ledger; `first` is the number of the first among all that were ever appended. */
export type LedgerRows = { first: number; table: Table };

export type Ledger = {
  /** Rows that were ever appended, damaged ones too. */
  readonly rows: number;
  /** Rows that cannot be read any more. */
  readonly damaged: number;
  /** What can be read, piece by piece. */
  tables(): Generator<LedgerRows>;
  /** When this returns the rows are on the disk. */
  append(table: Table): void;
  close(): void;
};

const SHARD_BYTES = 256 * 2 ** 20;

/** In the schema of each file. */
const KEY = "distill_key";

/** Open a ledger to append to, new or as an earlier process left it. */
export function openLedger(
  folder: string,
  {
    key,
    shardBytes = SHARD_BYTES,
    told = console.error,
  }: { key: string; shardBytes?: number; told?: (sentence: string) => void },
): Ledger {
  const log = openAppendLog(folder, scanStream, told);
  for (const _ of rowsOf(folder, log.extents, key, { schemas: true }));
  let described = "";
  const describe = () => {
    const files = dataFilesIn(folder);
    if (files.length === 0 || described === files.join()) return;
    describeDataset(folder, files);
    described = files.join();
  };
  describe();
  let schemaOfFile: Uint8Array | undefined;
  return {
    get rows() {
      return log.rows;
    },
    get damaged() {
      return log.damaged;
    },
    tables: () => rowsOf(folder, [...log.extents], key, { compare: false }),
    append(table) {
      const { schema, batches } = encodeStream(keyed(table, key));
      schemaOfFile ??= schemaIn(folder, log.extents);
      const other = schemaOfFile !== undefined && !Buffer.from(schemaOfFile).equals(schema);
      if (log.length !== undefined && (other || log.length + batches.length > shardBytes)) log.next();
      if (log.length === undefined || log.length === 0) log.append(schema, 0);
      schemaOfFile = schema;
      log.append(batches, table.numRows);
      describe();
    },
    close() {
      log.close();
      described = "";
      describe();
    },
  };
}

/** What can be read of a ledger while somebody may be appending to it. Damage is a sentence. */
export function* readLedger(folder: string, key?: string): Generator<LedgerRows> {
  if (existsSync(folder)) yield* rowsOf(folder, readExtents(folder, scanStream), key);
}

/** Pieces that are held in memory by who reads rows in any order. */
const HELD = 32;

/** The rows of a ledger by their numbers, in any order. One that is damaged is not there. */
export function ledgerRows(
  folder: string,
  key: string,
): { length: number; at(row: number): { table: Table; index: number } | undefined } {
  const extents = existsSync(folder) ? readExtents(folder, scanStream) : [];
  const schemas = new Map<string, Uint8Array>();
  for (const _ of rowsOf(folder, extents, key, { schemas: true }));
  for (const extent of extents) if (extent.rows === 0) schemas.set(extent.file, readExtent(folder, extent));
  const pieces = extents.filter(({ file, rows }) => rows > 0 && schemas.has(file));
  const held = new Map<Extent, Table>();
  const tableIn = (extent: Extent): Table => {
    const { file } = extent;
    const table = held.get(extent) ?? decodeBatch(schemas.get(file)!, readExtent(folder, extent), join(folder, file));
    held.delete(extent); // the one that was read last comes last
    held.set(extent, table);
    if (held.size > HELD) held.delete(held.keys().next().value!);
    return table;
  };
  return {
    length: pieces.reduce((last, { first, rows }) => Math.max(last, first + rows), 0),
    at(row) {
      let [low, high] = [0, pieces.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (pieces[middle]!.first + pieces[middle]!.rows <= row) low = middle + 1;
        else high = middle;
      }
      const piece = pieces[low];
      return piece && piece.first <= row ? { table: tableIn(piece), index: row - piece.first } : undefined;
    },
  };
}

function* rowsOf(
  folder: string,
  extents: readonly Extent[],
  key: string | undefined,
  { schemas: only = false, compare = true }: { schemas?: boolean; compare?: boolean } = {},
): Generator<LedgerRows> {
  const schemas = new Map<string, Uint8Array>();
  for (const extent of extents) {
    const { file, rows, first } = extent;
    if (rows === 0) {
      const schema = readExtent(folder, extent);
      const found = decodeBatch(schema, undefined, join(folder, file)).schema.metadata.get(KEY);
      if (key !== undefined && found !== key)
        throw new DistillError(
          `${join(folder, file)} says that it was drawn under the key ${found ?? "(none)"}, and it lies where ${key} is kept. Move it to where it belongs, or away.`,
        );
      schemas.set(file, schema);
    } else if (!only) {
      const schema = schemas.get(file);
      // without its schema nothing of a file can be read
      if (schema) yield { first, table: decodeBatch(schema, readExtent(folder, extent, compare), join(folder, file)) };
    }
  }
}

function schemaIn(folder: string, extents: readonly Extent[]): Uint8Array | undefined {
  const newest = dataFilesIn(folder).at(-1);
  const piece = extents.find(({ file, offset }) => file === newest && offset === 0);
  return piece ? readExtent(folder, piece) : undefined;
}

/** The table with the key in its schema. */
function keyed(table: Table, key: string): Table {
  const { fields, metadata } = table.schema;
  const schema = new Schema(fields, new Map([...metadata, [KEY, key]]));
  return new Table(
    schema,
    table.batches.map(({ data }) => new RecordBatch(schema, data)),
  );
}
