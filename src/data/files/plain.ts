/** @file Values of columns as plain ones, such as JSON has. */

import { Vector } from "../../formats/apache-arrow.ts";

/**
 * A value of Arrow or Parquet without their classes: lists as arrays, structs as objects. A struct's keys that are null
 * are left out: such columns give every row the keys of all rows. Integers are numbers as far as these are exact.
 */
export function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (value instanceof Vector || Array.isArray(value)) return Array.from(value as Iterable<unknown>, plain);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as Iterable<unknown>, plain);
  const keys = "toJSON" in value ? ((value as { toJSON(): object }).toJSON() as object) : value;
  return Object.fromEntries(
    Object.entries(keys).flatMap(([key, inner]) =>
      inner === null || inner === undefined ? [] : [[key, plain(inner)]],
    ),
  );
}
