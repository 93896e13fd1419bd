import assert from "node:assert/strict";
import { after, test } from "node:test";
import { scatteredInPieces, softmaxInPieces, whereInPieces } from "../../src/compiler/pieces.ts";
import { input, scalar } from "../../src/graph/value.ts";
import { Expand, ScatterElements, Softmax, Where } from "../../src/ops/index.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { random, testDevice } from "../support/finite-differences.ts";

test("rows that are added up in pieces are those that are added up at once, repeated ones too", async () => {
  const device = await testDevice();
  const [rows, width] = [37, 3];
  const indices = [0, 36, 12, 12, 13, 35, 0, 24, 25, 11];
  const shape = [indices.length, width];
  const [index, updates] = [input("index", "int32", shape), input("updates", "float32", shape)];
  const whole = ScatterElements(Expand(scalar(0), { shape: [rows, width] }), index, updates, { axis: 0 });
  const next = random(4);
  const feeds = {
    index: tensor(
      "int32",
      shape,
      indices.flatMap((row) => [row, row, row]),
    ),
    updates: tensor("float32", shape, Array.from({ length: 30 }, next)),
  };
  const expected = toNumbers((await (await device.compile({ whole })).run(feeds)).whole!);
  for (const most of [rows * width - 1, 40, 12]) {
    const pieces = scatteredInPieces(whole, most)!;
    assert.deepEqual(toNumbers((await (await device.compile({ pieces })).run(feeds)).pieces!), expected, `${most}`);
  }
  assert.equal(scatteredInPieces(whole, rows * width), undefined);
});

test("a choice in pieces is the choice at once", async () => {
  const device = await testDevice();
  const [condition, a] = [input("condition", "bool", []), input("a", "float32", [7, 3])];
  const whole = Where(condition, a, input("b", "float32", [3]));
  const feeds = {
    a: tensor("float32", [7, 3], Array.from({ length: 21 }, random(4))),
    b: tensor("float32", [3], [1, 2, 3]),
  };
  for (const chosen of [0, 1])
    for (const most of [20, 6, 3]) {
      const both = await device.compile({ whole, pieces: whereInPieces(whole, most)! });
      const results = await both.run({ ...feeds, condition: tensor("bool", [], [chosen]) });
      assert.deepEqual(toNumbers(results.pieces!), toNumbers(results.whole!), `${most}`);
    }
  assert.equal(whereInPieces(whole, 21), undefined);
});

test("a softmax in pieces is the softmax at once", async () => {
  const device = await testDevice();
  const whole = Softmax(input("x", "float32", [3, 5, 4]));
  const feeds = { x: tensor("float32", [3, 5, 4], Array.from({ length: 60 }, random(4, -3, 3))) };
  for (const most of [59, 20, 4]) {
    const both = await device.compile({ whole, pieces: softmaxInPieces(whole, most)! });
    const results = await both.run(feeds);
    assert.deepEqual(toNumbers(results.pieces!), toNumbers(results.whole!), `${most}`);
  }
  assert.equal(softmaxInPieces(whole, 60), undefined);
});

after(async () => (await testDevice()).close());
