import assert from "node:assert/strict";
import { test } from "node:test";
import { inOrder } from "../../src/sampling/in-order.ts";

test("work under way is told of in its order, whatever ends first, and its failure where its turn comes", async () => {
  const told: number[] = [];
  const work = inOrder<number>((result, index) => {
    assert.equal(index, told.length);
    told.push(result);
  });
  const ends: ((value: number) => void)[] = [];
  for (let i = 0; i < 3; i++) work.add(new Promise((resolve) => ends.push(resolve)));
  ends[2]!(2);
  ends[1]!(1);
  await Promise.resolve();
  work.tell();
  assert.deepEqual([told, work.open], [[], 3]);
  ends[0]!(0);
  await work.until(1);
  assert.deepEqual(told, [0, 1, 2]);
  work.add(Promise.reject(new Error("no")));
  await assert.rejects(work.until(0), /no/);
});
