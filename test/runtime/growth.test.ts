import assert from "node:assert/strict";
import { test } from "node:test";
import { input } from "../../src/graph/value.ts";
import { Add, After, Mul, ReduceSum } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";

test("a run writes to the end of a state in host memory, and reads what it wrote", async () => {
  const device = await openDevice("cpu");
  const x = input("x", "float32", ["new", 2]);
  const added = Mul(x, x);
  const all = input("list", "float32", ["total", 2]);
  const total = ReduceSum(Add(all, After(ReduceSum(Mul(x, input("zero", "float32", [])), { axes: [0] }), added)), {
    axes: [0],
  });
  const program = await device.compile({ added, total }, { grow: { added: "list" } });
  await device.write("list", tensor("float32", [1, 2], [10, 20]));
  const zero = tensor("float32", [], [0]);
  const add = async (rows: number[][], length: number) => {
    const growth = { length: length + rows.length, count: rows.length };
    const answer = await program.run({ x: tensor("float32", [rows.length, 2], rows.flat()), zero }, { growth });
    assert.deepEqual(Object.keys(answer), ["total"], "what was written is not answered");
    return toNumbers(answer.total!);
  };
  assert.deepEqual(await add([[1, 2]], 1), [11, 24]);
  assert.deepEqual(
    await add(
      [
        [3, 4],
        [5, 6],
      ],
      2,
    ),
    [45, 76],
  );
  assert.deepEqual(await add([[0, 1]], 1), [10, 21], "what is behind the length is written over");
  const state = await device.read("list");
  assert.ok(state.shape[0]! >= 4, "there is room for more, so that not every run moves it");
  assert.deepEqual(toNumbers(state).slice(0, 8), [10, 20, 0, 1, 9, 16, 25, 36]);
  const sum = await device.compile({ sum: ReduceSum(input("list", "float32", ["length", 2]), { axes: [0] }) });
  assert.deepEqual(toNumbers((await sum.run({}, { lengths: { list: 2 } })).sum!), [10, 21], "a part can be read");
  await device.close();
});
