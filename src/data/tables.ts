/** @file Datasets of any kind as Arrow tables of some thousand rows, one after the other. */

import { closeSync, existsSync, openSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { DistillError } from "../core/errors.ts";
import { readAt } from "../core/files.ts";
import {
  Bool,
  type Data,
  type DataType,
  Dictionary,
  Field,
  Float64,
  List,
  RecordBatch,
  Schema,
  Struct,
  Table,
  Utf8,
  type Vector,
} from "../formats/apache-arrow.ts";
import { arrowTables } from "../formats/arrow.ts";
import { isAppendLog } from "../store/append-log.ts";
import { dataOf, struct } from "./columns.ts";
import { mayBeCut, shardsOf } from "./dataset-folder.ts";
import { readLedger } from "./ledger.ts";
import { jsonLines } from "./rows.ts";

export type { Table };

const ROWS = 1024;

/**
 * The rows of a folder that save_to_disk wrote, of a run (its traces), or of a file: .arrow, .parquet, or JSON lines.
 * Of Parquet one row group is in memory at a time. Columns of JSON lines have the types of the first rows.
 */
export async function* readTables(path: string): AsyncGenerator<Table> {
  if (!existsSync(path)) throw new DistillError(`Dataset not found: ${path}.`);
  if (statSync(path).isDirectory()) {
    const traces = join(path, "traces");
    const folder = existsSync(join(traces, "state.json")) ? traces : path;
    if (folder === path && existsSync(join(path, "samples")))
      throw new DistillError(
        `${path} has no traces yet, since sampling is not finished. What was drawn so far is in the folders of ${join(path, "samples")}.`,
      );
    if (isAppendLog(folder)) for (const { table } of readLedger(folder)) yield* inPieces([table]);
    else for (const shard of shardsOf(folder)) yield* inPieces(arrowTables(shard, mayBeCut));
  } else if (extname(path) === ".arrow") yield* inPieces(arrowTables(path, mayBeCut));
  else if (extname(path) === ".parquet") yield* typed(path, parquetRows(path));
  else yield* typed(path, jsonRows(path));
}

/** The columns of a table by their names, each whole. */
export const columnsOf = (table: Table): Record<string, Data> =>
  Object.fromEntries(table.schema.fields.map(({ name, type }) => [name, whole(table.getChild(name)!, type)]));

function whole(vector: Vector, type: DataType): Data {
  // a dictionary belongs to its own stream
  if (type instanceof Dictionary) return dataOf([...vector], type.dictionary);
  return vector.data.length === 1 ? vector.data[0]! : dataOf([...vector], type);
}

/** A table of columns that are equally long. */
export function tableOf(columns: Record<string, Data>): Table {
  const data = struct(columns, Object.values(columns)[0]?.length ?? 0);
  const schema = new Schema(data.type.children);
  return new Table(schema, new RecordBatch(schema, data));
}

/** The rows of a table for which `keep` is true. */
export function rowsWhere(table: Table, keep: (row: number) => boolean): Table {
  const kept = Array.from({ length: table.numRows }, (_, row) => row).filter(keep);
  if (kept.length === table.numRows) return tableOf(columnsOf(table));
  return tableOf(
    Object.fromEntries(
      table.schema.fields.map(({ name, type }) => {
        const vector = table.getChild(name)!;
        const plain = type instanceof Dictionary ? type.dictionary : type;
        return [
          name,
          dataOf(
            kept.map((row) => vector.get(row)),
            plain,
          ),
        ];
      }),
    ),
  );
}

function* inPieces(tables: Iterable<Table>): Generator<Table> {
  for (const table of tables)
    for (let start = 0; start < table.numRows; start += ROWS)
      yield table.numRows <= ROWS ? table : table.slice(start, Math.min(start + ROWS, table.numRows));
}

type Row = Record<string, unknown>;

function* jsonRows(path: string): Generator<Row> {
  for (const { line, value } of jsonLines(path)) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new DistillError(`${path}, line ${line} is no object. Expected an object with one key for each column.`);
    yield value as Row;
  }
}

async function* parquetRows(path: string): AsyncGenerator<Row> {
  const handle = openSync(path, "r");
  const byteLength = statSync(path).size;
  const file: AsyncBuffer = {
    byteLength,
    slice: async (start, end = byteLength) => readAt(path, handle, start, end - start).buffer,
  };
  try {
    const metadata = await parquetMetadataAsync(file);
    let rowStart = 0;
    for (const { num_rows } of metadata.row_groups) {
      const rowEnd = rowStart + Number(num_rows);
      yield* await parquetReadObjects({ file, metadata, rowStart, rowEnd });
      rowStart = rowEnd;
    }
  } catch (error) {
    if (error instanceof DistillError) throw error;
    throw new DistillError(`${path} is not a Parquet file that can be read: ${(error as Error).message}.`);
  } finally {
    closeSync(handle);
  }
}

/** Rows as tables, whose columns have the types of the first `ROWS` rows. */
async function* typed(path: string, rows: Iterable<Row> | AsyncIterable<Row>): AsyncGenerator<Table> {
  let types: Record<string, DataType> | undefined;
  let pending: Row[] = [];
  let done = 0;
  const flush = () => {
    types ??= typesOf(pending);
    const table = typedTable(path, pending, types, done);
    done += pending.length;
    pending = [];
    return table;
  };
  for await (const row of rows) {
    pending.push(row);
    if (pending.length === ROWS) yield flush();
  }
  if (pending.length > 0) yield flush();
}

const typesOf = (rows: readonly Row[]): Record<string, DataType> => {
  const names = new Set(rows.flatMap((row) => Object.keys(row)));
  return Object.fromEntries([...names].map((name) => [name, typeOf(rows.map((row) => row[name]))]));
};

/** The type that holds all of these values; JSON as text where none does. */
function typeOf(values: readonly unknown[]): DataType {
  const known = values.filter((value) => value !== null && value !== undefined);
  const kinds = new Set(known.map((value) => (Array.isArray(value) ? "list" : typeof value)));
  const [kind] = kinds;
  if (kinds.size !== 1) return new Utf8();
  if (kind === "number" || kind === "bigint") return new Float64();
  if (kind === "boolean") return new Bool();
  if (kind === "list") return new List(new Field("item", typeOf((known as unknown[][]).flat()), true));
  if (kind !== "object" || known.some((value) => value instanceof Date || ArrayBuffer.isView(value))) return new Utf8();
  const types = Object.entries(typesOf(known as Row[]));
  return types.length === 0 ? new Utf8() : new Struct(types.map(([name, type]) => new Field(name, type, true)));
}

function typedTable(path: string, rows: readonly Row[], types: Record<string, DataType>, before: number): Table {
  for (const [i, row] of rows.entries())
    for (const name in row)
      if (!(name in types))
        throw new DistillError(
          `${path}, row ${before + i + 1} has the column "${name}", which the first ${ROWS} rows do not have. Give it to one of them, as null if need be.`,
        );
  return tableOf(
    Object.fromEntries(
      Object.entries(types).map(([name, type]) => [
        name,
        dataOf(
          rows.map((row, i) => fitted(row[name], type, () => `${path}, row ${before + i + 1}, column "${name}"`)),
          type,
        ),
      ]),
    ),
  );
}

/** A value as its column's type has it. */
function fitted(value: unknown, type: DataType, where: () => string): unknown {
  if (value === null || value === undefined) return null;
  if (type instanceof Utf8) return typeof value === "string" ? value : JSON.stringify(value, exact);
  if (type instanceof Float64 && (typeof value === "number" || typeof value === "bigint")) return Number(value);
  if (type instanceof Bool && typeof value === "boolean") return value;
  if (type instanceof List && Array.isArray(value))
    return value.map((item) => fitted(item, type.children[0]!.type, where));
  if (type instanceof Struct && typeof value === "object" && !Array.isArray(value))
    return Object.fromEntries(
      (type.children as Field[]).map(({ name, type }) => [name, fitted((value as Row)[name], type, where)]),
    );
  throw new DistillError(
    `${where()} is ${JSON.stringify(value, exact)?.slice(0, 40)}. Expected ${type}, as in the first ${ROWS} rows.`,
  );
}

const exact = (_: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);
