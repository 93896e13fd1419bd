import assert from "node:assert/strict";
import { after, test } from "node:test";
import { scatteredInPieces } from "../../src/compiler/pieces.ts";
import { input, scalar } from "../../src/graph/value.ts";
import { Expand, ScatterElements } from "../../src/ops/index.ts";
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

after(async () => (await testDevice()).close());
