import assert from "node:assert/strict";
import { after, test } from "node:test";
import { emitLoop, PAGE } from "../../src/compiler/loop.ts";
import { input, scalar } from "../../src/graph/value.ts";
import { adamW } from "../../src/nn/adamw.ts";
import { Add, Div, Exp, Mul, Neg, Sqrt, Sub } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { LoopInstance, LoopThreads } from "../../src/runtime/loops.ts";
import { scalarTensor, tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { random, testDevice } from "../support/finite-differences.ts";
import { relativeDifference } from "../support/training.ts";

const floats = (n: number, seed = 1) => {
  const next = random(seed);
  return Float32Array.from({ length: n }, next);
};

test("a loop computes what ONNX Runtime computes, in place", async () => {
  const device = await testDevice();
  const graph = adamW({ beta1: 0.9, beta2: 0.99, epsilon: 1e-8 });
  const states = ["param", "grad", "m", "v"].map((_, i) => tensor("float32", [35], floats(35, 2 + i).map(Math.abs)));
  for (const [i, name] of ["param", "grad", "m", "v"].entries())
    await device.write(name, { ...states[i]!, data: states[i]!.data.slice() as Float32Array });
  const scalars = { learning_rate: 0.1, weight_decay: 0.3, clip: 0.7, bias1: 0.2, bias2: 0.05 };
  const feeds = Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, scalarTensor(value)]));
  const expected = await (await device.compile(graph)).run(feeds);
  const writes = { next_param: "param", next_m: "m", next_v: "v" };
  await (await device.compileLoop(graph)).run([{ scalars, writes }]);
  for (const [result, name] of Object.entries(writes))
    assert.ok(relativeDifference(toNumbers(await device.read(name)), toNumbers(expected[result]!)) < 1e-6, name);
});

test("every op of a loop is IEEE's in single precision, for sizes that fill no vector and more than a page", () => {
  const [x, y, s] = [input("x", "float32", ["n"]), input("y", "float32", ["n"]), input("s", "float32", [])];
  const half = Mul(s, scalar(0.5)); // 0.35 in double
  const loop = emitLoop({ sum: Add(x, y), rest: Sub(half, x), product: Mul(Neg(x), y), quotient: Div(x, Sqrt(y)) }, y);
  assert.deepEqual([loop.arrays, loop.scalars], [["x", "y"], ["s"]]);
  const instance = new LoopInstance(loop);
  for (const n of [1, 3, 4, 7, PAGE / 4 - 1, PAGE / 4, PAGE / 4 + 5, PAGE + 3]) {
    const [a, b] = [floats(n, 3), floats(n, 4).map(Math.abs)];
    const results = Array.from({ length: 4 }, () => new Float32Array(n));
    const item = { arrays: [a, b, ...results], inputs: [0, 1], outputs: [2, 3, 4, 5], scalars: [0.7] };
    const total = instance.run(item);
    const f = Math.fround;
    assert.deepEqual(
      results[0],
      a.map((v, i) => v + b[i]!),
    );
    assert.deepEqual(
      results[1],
      a.map((v) => f(0.35) - v),
    );
    assert.deepEqual(
      results[2],
      a.map((v, i) => -v * b[i]!),
    );
    assert.deepEqual(
      results[3],
      a.map((v, i) => v / f(Math.sqrt(b[i]!))),
    );
    const expected = b.reduce((sum, v) => sum + v, 0);
    assert.ok(Math.abs(total - expected) <= 1e-12 * n * expected, `${n}: ${total}, ${expected}`);
  }
});

test("items are spread over threads, and give the same as in one", async () => {
  const [x, y] = [input("x", "float32", ["n"]), input("y", "float32", ["n"])];
  const sizes = [400_000, 5, 90_000, 300_001, 1];
  const given: { arrays: Float32Array<ArrayBuffer>[]; sums: number[] }[] = [];
  for (const threads of [1, 3]) {
    const pool = new LoopThreads(threads);
    const id = pool.compile(emitLoop({ next: Add(Mul(x, scalar(2)), y) }, Mul(x, y)));
    const items = sizes.map((n, i) => ({
      arrays: [floats(n, 10 + i), floats(n, 20 + i)],
      inputs: [0, 1],
      outputs: [0],
      scalars: [],
    }));
    const before = items.map(({ arrays }) => arrays[0]!);
    await pool.run(id, items);
    const sums = await pool.run(id, items);
    await pool.close();
    given.push({ arrays: items.flatMap(({ arrays }) => arrays), sums });
    const moved = before.filter(({ byteLength }) => byteLength === 0).length;
    assert.equal(moved > 0, threads > 1, `${moved} arrays went to another thread of ${threads}`);
  }
  assert.deepEqual(given[0], given[1]);
});

test("states of a device stay what they were when their memory moves between threads", async () => {
  const device = await openDevice("cpu", { threads: 2 });
  const [x, y] = [input("x", "float32", ["n"]), input("y", "float32", ["n"])];
  const loop = await device.compileLoop({ next: Add(x, y) }, x);
  const n = 300_000;
  for (const name of ["a", "b", "c", "d"])
    await device.write(name, tensor("float32", [n / 100, 100], new Float32Array(n).fill(1)));
  for (let i = 1; i <= 5; i++) {
    const runs = [
      { reads: { x: "a", y: "b" }, writes: { next: "a" } },
      { reads: { x: "c", y: "d" }, writes: { next: "c" } },
    ];
    assert.equal(await loop.run(runs), 2 * n * i);
  }
  for (const [name, value] of Object.entries({ a: 6, b: 1, c: 6, d: 1 })) {
    const state = await device.read(name);
    assert.deepEqual(state.shape, [n / 100, 100]);
    assert.ok(
      state.data.every((element) => element === value),
      name,
    );
  }
  await device.close();
});

test("what a loop cannot compute is named", () => {
  assert.throws(
    () => emitLoop({ y: Exp(input("x", "float32", ["n"])) }),
    /A loop cannot compute Exp\. Expected one of: Add,/,
  );
});

after(async () => (await testDevice()).close());
