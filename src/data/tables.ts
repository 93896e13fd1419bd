/** @file Datasets of any kind as Arrow tables of some thousand rows, one after the other. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
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
import { arrow } from "./files/arrow.ts";
import { kindOf, placesOf } from "./files/places.ts";
import { fileRows } from "./files/read.ts";
import { readLedger } from "./ledger.ts";
import { isRecord } from "./values.ts";

export type { Table };

const ROWS = 1024;

/**
 * The rows of a folder that save_to_disk wrote, of a run (its traces), or of files that datasets come in. Columns of files
 * that do not say what they hold have the types of the first rows.
 */
export async function* readTables(path: string): AsyncGenerator<Table> {
  const traces = join(path, "traces");
  const log = [traces, path].find((folder) => existsSync(join(folder, "state.json")) && isAppendLog(folder));
  if (log) {
    for (const { table } of readLedger(log)) yield* inPieces([table]);
    return;
  }
  if (existsSync(join(traces, "state.json"))) return yield* readTables(traces);
  if (existsSync(join(path, "samples")) && !existsSync(join(path, "state.json")))
    throw new DistillError(
      `${path} has no traces yet, since sampling is not finished. What was drawn so far is in the folders of ${join(path, "samples")}.`,
    );
  for (const { path: place, folder } of placesOf(path))
    if (folder) for (const shard of shardsOf(place)) yield* inPieces(arrowTables(shard, mayBeCut));
    else if (kindOf(place) === arrow) yield* inPieces(arrowTables(place, mayBeCut));
    else yield* typed(place, objects(place));
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

async function* objects(path: string): AsyncGenerator<Row> {
  for await (const { where, value, fault } of fileRows(path)) {
    if (fault !== undefined) throw new DistillError(fault);
    if (!isRecord(value))
      throw new DistillError(`${where} is no object. Expected an object with one key for each column.`);
    yield value;
  }
}

/** Rows as tables, whose columns have the types of the first `ROWS` rows. */
async function* typed(path: string, rows: AsyncIterable<Row>): AsyncGenerator<Table> {
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
