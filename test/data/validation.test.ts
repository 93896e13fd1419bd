import assert from "node:assert/strict";
import { test } from "node:test";
import { inMemory } from "../../src/data/example-store.ts";
import { rowsInBoth, splitOff } from "../../src/data/validation.ts";
import { segment } from "../support/training.ts";

/** Two examples of each row, no two alike. */
const examples = (rows: number) =>
  inMemory(Array.from({ length: 2 * rows }, (_, i) => ({ ...segment(i + 1, 8 + (i % 5)), row: 1 + (i >> 1) })));

const rowsOf = ({ rows }: { rows: Int32Array }) => new Set(rows);

test("a share of the rows is split off, all examples of a row to the same side, and nothing is lost", () => {
  const all = examples(200);
  for (const [split, rows] of [
    [0.05, 10],
    [0.051, 11],
    [0.0001, 1],
    [0.9999, 199],
  ] as const) {
    const { training, validation } = splitOff(all, { split, seed: 3 });
    assert.equal(rowsOf(validation).size, rows);
    assert.equal(validation.length, 2 * rows);
    assert.deepEqual(new Set([...rowsOf(training)].filter((row) => rowsOf(validation).has(row))), new Set());
    const numbers = [...training.numbers, ...validation.numbers].sort((a, b) => a - b);
    assert.deepEqual(numbers, [...all.numbers]);
    assert.equal(rowsInBoth(training, validation), 0);
  }
});

test("which rows are split off hangs on the seed and on the row, and they lie all over the dataset", () => {
  const chosen = (rows: number, seed: number) => [...rowsOf(splitOff(examples(rows), { split: 0.1, seed }).validation)];
  assert.deepEqual(chosen(300, 1), chosen(300, 1));
  assert.notDeepEqual(chosen(300, 1), chosen(300, 2));
  const [small, large] = [chosen(300, 1), chosen(330, 1)];
  const kept = small.filter((row) => large.includes(row)).length;
  assert.ok(kept >= 24, `${kept} of 30 are the same where a tenth more rows follow`);
  const thirds = [0, 1, 2].map((third) => chosen(600, 5).filter((row) => Math.floor((row - 1) / 200) === third).length);
  assert.ok(Math.min(...thirds) >= 8, `of 60: ${thirds}`);
});

test("one row cannot be split", () => {
  assert.throws(() => splitOff(examples(1), { split: 0.5, seed: 0 }), /only 1 row\. Give more rows, or/);
});

test("rows that stand on both sides are counted once, and only where all of an example is the same", () => {
  const training = examples(20);
  const same = training.at(6);
  const masked = { ...training.at(9), supervised: training.at(9).supervised.map((_, i) => i > 4) };
  const of = (...rows: (typeof same)[][]) =>
    inMemory(rows.flatMap((parts, i) => parts.map((one) => ({ ...one, row: i + 1 }))));
  assert.equal(rowsInBoth(training, of([same, training.at(7)], [segment(999, 9)], [masked])), 1);
  assert.equal(rowsInBoth(training, of([segment(999, 9)])), 0);
});
