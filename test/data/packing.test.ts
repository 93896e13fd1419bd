import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../src/core/random.ts";
import { layOut } from "../../src/data/batch.ts";
import { pack } from "../../src/data/packing.ts";
import { segment } from "../support/training.ts";

test("packing keeps every segment once, whole, in rows that are not too long", () => {
  const random = seededRandom(4);
  const lengths = Int32Array.from({ length: 300 }, () => 2 + random.below(99));
  const rows = pack(lengths, 100);
  assert.deepEqual(
    rows.flat().sort((a, b) => a - b),
    [...lengths.keys()],
  );
  const tokens = rows.map((row) => row.reduce((sum, i) => sum + lengths[i]!, 0));
  assert.ok(tokens.every((n) => n <= 100));
  assert.ok(tokens.reduce((a, b) => a + b) / (100 * rows.length) > 0.95, "rows are at least 95 % full");
});

test("each segment goes into the fullest row that has room, the longest first", () => {
  const lengths = Int32Array.of(3, 6, 4, 7, 5, 5);
  const rows = pack(lengths, 10);
  assert.deepEqual(
    rows.map((row) => row.map((i) => lengths[i])),
    [
      [7, 3],
      [6, 4],
      [5, 5],
    ],
  );
});

test("positions restart with each segment, and padding is a segment of its own", () => {
  const batch = layOut([[segment(1, 3), segment(2, 2)]], { rows: 2, length: 6, block: 3, chunks: 1 });
  assert.deepEqual([...batch.positions].map(Number), [0, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...batch.segmentStarts], [0, 0, 0, 3, 3, 5, 0, 1, 2, 3, 4, 5]);
  assert.deepEqual(batch.keyStarts, [3]);
  assert.deepEqual(
    batch.supervised.map(({ position }) => position),
    [0, 1, 3],
  );
});
