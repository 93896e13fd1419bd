import type { Row } from "./batch.ts";
import type { Segments } from "./example-store.ts";

/** Which examples lie in a row, by their numbers. */
export type PackedRow = readonly number[];

/** The rows that are trained on: several segments in each, or one. */
export const rowsOf = ({ lengths }: Segments, options: { packing: boolean; max_length: number }): PackedRow[] =>
  options.packing ? pack(lengths, options.max_length) : Array.from(lengths, (_, i) => [i]);

/** A row with its segments. */
export const unpacked = (segments: Segments, row: PackedRow): Row => row.map((i) => segments.at(i));

/**
 * Lay segments into rows of at most `length` tokens by best-fit decreasing: the longest first, each into the row that it
 * fills best. Segments longer than `length` must have been left out.
 */
export function pack(lengths: Int32Array, length: number): PackedRow[] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  const rows: number[][] = [];
  const bySpace: number[][] = Array.from({ length: length + 1 }, () => []); // rows by the room left in them
  for (const i of order) {
    const size = lengths[i]!;
    let space = size;
    while (space <= length && bySpace[space]!.length === 0) space++;
    const row = space <= length ? bySpace[space]!.pop()! : rows.push([]) - 1;
    rows[row]!.push(i);
    bySpace[Math.min(space, length) - size]!.push(row);
  }
  return rows;
}
