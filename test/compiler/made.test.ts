import assert from "node:assert/strict";
import { test } from "node:test";
import { lower } from "../../src/compiler/lower.ts";
import { madeOfWeights } from "../../src/compiler/made.ts";
import { targets } from "../../src/compiler/targets.ts";
import { input, toposort, type Value } from "../../src/graph/value.ts";
import { linear } from "../../src/nn/linear.ts";
import { Concat, MatMul, Reshape, Transpose } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";

const x = input("x", "float32", [8, 4]);
const weight = (name: string, rows: number) => input(name, "float32", [rows, 4]);
const weights = ["a", "b", "c"].map((name) => ({ name }));
const opsIn = (values: readonly Value[]) => toposort(...values).flatMap(({ node }) => node?.op.type ?? []);

test("transposes and joins of weights are read by their names, those of anything else are computed", () => {
  const [a, frozen] = [weight("a", 6), weight("frozen", 6)];
  const outputs = [linear(x, a), linear(x, frozen), linear(x, Concat(weight("b", 2), weight("c", 3), { axis: 0 }))];
  const { outputs: read, made } = madeOfWeights(targets.webgpu, outputs, weights);
  assert.deepEqual(
    made.map(({ of, shape, perm }) => ({ of, shape, perm })),
    [
      { of: ["a"], shape: [6, 4], perm: [1, 0] },
      { of: ["b", "c"], shape: [5, 4], perm: [1, 0] },
    ],
  );
  assert.deepEqual(opsIn(read).sort(), ["MatMul", "MatMul", "MatMul", "Transpose"]);
});

test("a weight is joined with the same others wherever something is made once, and otherwise made where it is used", () => {
  const [a, b, c] = [weight("a", 6), weight("b", 2), weight("c", 3)];
  const groups = [Concat(a, b, { axis: 0 }), Concat(b, c, { axis: 0 }), a, c];
  const { made } = madeOfWeights(
    targets.webgpu,
    groups.map((group) => linear(x, group)),
    weights,
  );
  assert.deepEqual(
    made.map(({ of }) => of),
    [["a", "b"], ["c"]],
  );
});

test("where products read a factor as it lies nothing is made of it", () => {
  const outputs = [linear(x, weight("a", 6))];
  for (const target of [targets.cuda, targets.cpu, { ...targets.webgpu, gemmTransB: true }])
    assert.deepEqual(madeOfWeights(target, outputs, weights), { outputs, made: [] });
});

test("columns of a product that become heads in front of their rows are a product for each head, with the same numbers", async () => {
  const [rows, length, heads, size, width] = [2, 3, 4, 2, 5];
  const tokens = input("tokens", "float32", [rows * length, width]);
  const headsOf = (y: Value) => Transpose(Reshape(y, { shape: [rows, length, heads, size] }), { perm: [0, 2, 1, 3] });
  const outputs = {
    rows: headsOf(linear(tokens, input("a", "float32", [heads * size, width]))),
    columns: headsOf(MatMul(tokens, input("b", "float32", [width, heads * size]))),
  };
  const lowered = lower(Object.values(outputs), targets.webgpu);
  assert.ok(lowered.every(({ node, shape }) => node?.op === MatMul && shape.length === 4));
  const numbers = (shape: number[], from: number) => {
    const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(from + i));
    return tensor("float32", shape, data);
  };
  const feeds = {
    tokens: numbers([rows * length, width], 1),
    a: numbers([heads * size, width], 2),
    b: numbers([width, heads * size], 3),
  };
  const device = await openDevice("cpu", { threads: 1 });
  const expected = await (await device.compile(outputs)).run(feeds);
  const found = await (await device.compile({ rows: lowered[0]!, columns: lowered[1]! })).run(feeds);
  for (const name of ["rows", "columns"])
    for (const [i, x] of (expected[name]!.data as Float32Array).entries())
      assert.ok(Math.abs((found[name]!.data as Float32Array)[i]! - x) < 1e-6, `${name} ${i}`);
  await device.close();
});
