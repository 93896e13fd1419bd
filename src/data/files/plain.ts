/** @file Values of columns as plain ones, such as JSON has. */

import { isUtf8 } from "node:buffer";
import { Vector } from "../../formats/apache-arrow.ts";
import { asWritten, isWritten } from "../python-json.ts";

/**
 * A value of Arrow or Parquet without their classes: lists as arrays, structs as objects. A struct's keys that are null
 * are left out: such columns give every row the keys of all rows. Integers are numbers as far as these are exact; what a
 * template may write keeps its fractions, 1.0. Bytes are text where they are some.
 */
export function plain(value: unknown, written = false): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value === "number") return written ? asWritten(value) : value;
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (value instanceof Vector || Array.isArray(value))
    return Array.from(value as Iterable<unknown>, (item) => plain(item, written));
  if (value instanceof Uint8Array && isUtf8(value)) return Buffer.from(value).toString("utf8");
  if (ArrayBuffer.isView(value)) return value;
  const keys = "toJSON" in value ? ((value as { toJSON(): object }).toJSON() as object) : value;
  return Object.fromEntries(
    Object.entries(keys).flatMap(([key, inner]) =>
      inner === null || inner === undefined ? [] : [[key, plain(inner, written || isWritten(key))]],
    ),
  );
}

/** A row of columns without their classes. A column that is null is there: it says that the row lacks it. */
export function plainRow(row: object): Record<string, unknown> {
  const columns = "toJSON" in row ? ((row as { toJSON(): object }).toJSON() as object) : row;
  return Object.fromEntries(
    Object.entries(columns).map(([name, value]) => [
      name,
      (value ?? null) === null ? null : plain(value, isWritten(name)),
    ]),
  );
}
