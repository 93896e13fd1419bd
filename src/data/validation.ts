/** @file Examples that are measured and not trained on: rows that are split off, and rows that stand on both sides. */

import { DistillError } from "../core/errors.ts";
import { contentHash } from "../core/hash.ts";
import { deriveSeed, seededRandom } from "../core/random.ts";
import { type Segments, some } from "./example-store.ts";

/** A share of a dataset's rows: which they are hangs on the seed and on each row's number, not on what else is there. */
export type Split = { split: number; seed: number };

/** All examples of a row stand on one side. At least one row does on either. */
export function splitOff(segments: Segments, { split, seed }: Split): { training: Segments; validation: Segments } {
  const drawn = [...new Set(segments.rows)].map((row) => ({
    row,
    place: seededRandom(deriveSeed(seed, "split", row)).uniform(),
  }));
  if (drawn.length < 2)
    throw new DistillError(
      `evaluation_dataset.split leaves rows out of training, and there is only ${drawn.length} row. Give more rows, or an evaluation_dataset of its own.`,
    );
  const count = Math.min(drawn.length - 1, Math.ceil(split * drawn.length));
  const order = drawn.sort((a, b) => a.place - b.place || a.row - b.row);
  const left = new Set(order.slice(0, count).map(({ row }) => row));
  return {
    training: some(segments, (i) => !left.has(segments.rows[i]!)),
    validation: some(segments, (i) => left.has(segments.rows[i]!)),
  };
}

/** How many rows of `validation` have an example whose tokens are also trained on. */
export function rowsInBoth(training: Segments, validation: Segments): number {
  const lengths = new Set(validation.lengths);
  const known = new Set<string>();
  for (let i = 0; i < training.length; i++) if (lengths.has(training.lengths[i]!)) known.add(hashOf(training, i));
  const rows = new Set<number>();
  for (let i = 0; i < validation.length; i++) if (known.has(hashOf(validation, i))) rows.add(validation.rows[i]!);
  return rows.size;
}

const hashOf = (segments: Segments, i: number): string => {
  const { tokens, supervised } = segments.at(i);
  return contentHash([tokens, supervised]);
};
