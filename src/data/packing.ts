import type { Row, Segment } from "./batch.ts";

/** The rows that are trained on: several segments in each, or one. */
export const rowsOf = (segments: readonly Segment[], options: { packing: boolean; max_length: number }): Row[] =>
  options.packing ? pack(segments, options.max_length) : segments.map((segment): Row => [segment]);

/**
 * Lay segments into rows of at most `length` tokens by best-fit decreasing: the longest first, each into the row that it
 * fills best. Segments longer than `length` must have been left out.
 */
export function pack(segments: readonly Segment[], length: number): Row[] {
  const order = segments
    .map((_, i) => i)
    .sort((a, b) => segments[b]!.tokens.length - segments[a]!.tokens.length || a - b);
  const rows: Segment[][] = [];
  const bySpace: number[][] = Array.from({ length: length + 1 }, () => []); // rows by the room left in them
  for (const i of order) {
    const segment = segments[i]!;
    const size = segment.tokens.length;
    let space = size;
    while (space <= length && bySpace[space]!.length === 0) space++;
    const row = space <= length ? bySpace[space]!.pop()! : rows.push([]) - 1;
    rows[row]!.push(segment);
    bySpace[Math.min(space, length) - size]!.push(row);
  }
  return rows;
}
