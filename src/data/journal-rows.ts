/** @file The rows of a journal, on the disk and in memory. */

import { gunzipSync, gzipSync } from "node:zlib";
import { Binary, Float64, Int32, type Table, Utf8 } from "../formats/apache-arrow.ts";
import { column } from "./columns.ts";
import type { Answered, Attempt, Outcome, Used } from "./journal.ts";
import { tableOf } from "./tables.ts";

/** What is written of an attempt when it is made (`sent`) and when it ends. */
export type Row = Omit<Attempt, "most"> & {
  event: "sent" | Outcome;
  at: number;
  reason: string | null;
  status: number | null;
  stream: number;
  certain: number;
  body: Uint8Array | null;
  latency: number;
} & Used;

export const tableOfRows = (rows: readonly Row[]): Table =>
  tableOf({
    id: column(new Utf8(), rows, "id"),
    attempt: column(new Int32(), rows, "attempt"),
    event: column(new Utf8(), rows, "event"),
    at: column(new Float64(), rows, "at"),
    endpoint: column(new Utf8(), rows, "endpoint"),
    seed: column(new Float64(), rows, "seed"),
    status: column(new Int32(), rows, "status"),
    reason: column(new Utf8(), rows, "reason"),
    stream: column(new Int32(), rows, "stream"),
    certain: column(new Int32(), rows, "certain"),
    latency: column(new Float64(), rows, "latency"),
    prompt_tokens: column(new Int32(), rows, "prompt_tokens"),
    completion_tokens: column(new Int32(), rows, "completion_tokens"),
    cost: column(new Float64(), rows, "cost"),
    body: column(new Binary(), rows, "body"),
  });

/** Largest body that is read from a journal, in bytes. */
const LARGEST = 1 << 30;

export type InMemory = ReturnType<typeof inMemory>;

/** A ledger that is kept nowhere. */
export function inMemory() {
  const tables: { first: number; table: Table }[] = [];
  let rows = 0;
  return {
    get rows() {
      return rows;
    },
    get length() {
      return rows;
    },
    tables: () => tables,
    append(table: Table) {
      tables.push({ first: rows, table });
      rows += table.numRows;
    },
    at(row: number) {
      const found = tables.findLast(({ first }) => first <= row);
      return found && { table: found.table, index: row - found.first };
    },
    close() {},
  };
}

/** A row of the ledger; its body is looked at where that is asked for. */
export function rowAt(table: Table, i: number): Row {
  const at = (name: string) => table.getChild(name)!.get(i);
  return Object.defineProperty(Object.fromEntries(NAMES.map((name) => [name, at(name)])) as Row, "body", {
    get: () => at("body") as Uint8Array | null,
  });
}

const NAMES = [
  "id",
  "attempt",
  "event",
  "at",
  "endpoint",
  "seed",
  "status",
  "reason",
  "stream",
  "certain",
  "latency",
].concat("prompt_tokens", "completion_tokens", "cost");

/** Bytes from which a body is packed: answers are short, and streams of them are not. */
const LONG = 4096;

/** A body as it is kept. */
export const packed = (body: Uint8Array): Uint8Array => (body.length < LONG ? body : gzipSync(body, { level: 1 }));

/** A body as it came. */
export function unpacked(body: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(body);
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b; // as no text begins
  return isPacked ? new Uint8Array(gunzipSync(bytes, { maxOutputLength: LARGEST })) : bytes;
}

export const textOf = (body: Uint8Array | null): string => (body ? Buffer.from(unpacked(body)).toString("utf8") : "");

export function answeredOf(row: Row): Answered {
  const { id, attempt, endpoint, seed, event, reason, status, stream, body, latency } = row;
  const used = { prompt_tokens: row.prompt_tokens, completion_tokens: row.completion_tokens, cost: row.cost };
  return {
    ...{ id, attempt, endpoint, seed, most: used, reason, status, latency, used },
    outcome: event as Outcome,
    stream: stream === 1,
    certain: row.certain === 1,
    body: body && unpacked(body),
  };
}
