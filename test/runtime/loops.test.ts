import assert from "node:assert/strict";
import { after, test } from "node:test";
import { address } from "koffi";
import { emitLoop } from "../../src/compiler/loop.ts";
import { PAGE } from "../../src/compiler/page.ts";
import { input, scalar, type Value } from "../../src/graph/value.ts";
import { adamW } from "../../src/nn/adamw.ts";
import * as ops from "../../src/ops/index.ts";
import { Add, Div, Exp, Mul, Neg, Sqrt, Sub } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { LoopInstance, LoopThreads } from "../../src/runtime/loops.ts";
import { scalarTensor, tensor, toNumbers } from "../../src/runtime/tensor.ts";
import type { Report } from "../../src/trainers/layout/layout.ts";
import { random, testDevice } from "../support/finite-differences.ts";
import { batchOf, compileFor, prepare, relativeDifference, segment, TOY } from "../support/training.ts";

const floats = (n: number, seed = 1) => {
  const next = random(seed);
  return Float32Array.from({ length: n }, next);
};

/** What a loop does to one array in place. */
const itemOf = (array: Float32Array) => ({
  addresses: [address(array)],
  length: array.length,
  inputs: [0],
  outputs: [0],
  scalars: [],
});

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

for (const [name, op] of Object.entries(ops).filter(([, { opcodes }]) => opcodes))
  test(`a loop of ${name} computes what ONNX Runtime does, of elements and of scalars`, async () => {
    const operands = ["a", "b"].slice(0, op.infer.length - 1);
    const compute = op as unknown as (...xs: Value[]) => Value;
    const elements = compute(...operands.map((x) => input(x, "float32", [9])));
    const scalars = compute(...operands.map((x) => input(`${x}0`, "float32", [])));
    const outputs = { elements, scalars: Mul(input("ones", "float32", [9]), scalars) };
    const arrays: Record<string, Float32Array<ArrayBuffer>> = {
      a: floats(9, 2),
      b: floats(9, 3),
      ones: new Float32Array(9).fill(1),
    };
    const numbers: Record<string, number> = { a0: 0.75, b0: 1.5 };

    const program = await (await testDevice()).compile(outputs);
    const states = Object.entries(arrays).map(([x, data]) => [x, tensor("float32", [9], data)]);
    const feeds = Object.entries(numbers).map(([x, number]) => [x, scalarTensor(number)]);
    const expected = await program.run(Object.fromEntries([...states, ...feeds]));

    const loop = emitLoop(outputs);
    const found = Object.keys(outputs).map(() => new Float32Array(9));
    const inputs = loop.arrays.map((x) => arrays[x]!);
    new LoopInstance(loop).run({
      arrays: [...inputs, ...found],
      inputs: [...inputs.keys()],
      outputs: [...found.keys()].map((i) => inputs.length + i),
      scalars: loop.scalars.map((x) => numbers[x]!),
    });
    for (const [i, name] of Object.keys(outputs).entries())
      assert.ok(relativeDifference([...found[i]!], toNumbers(expected[name]!)) < 1e-6, name);
  });

test("items are spread over threads, and give the same as in one", async () => {
  const [x, y] = [input("x", "float32", ["n"]), input("y", "float32", ["n"])];
  const sizes = [400_000, 5, 90_000, 300_001, 1];
  const given: { arrays: Float32Array<ArrayBuffer>[][]; sums: number[] }[] = [];
  for (const threads of [1, 3]) {
    const pool = new LoopThreads(threads);
    const id = pool.compile(emitLoop({ next: Add(Mul(x, scalar(2)), y) }, Mul(x, y)));
    const arrays = sizes.map((n, i) => [floats(n, 10 + i), floats(n, 20 + i)]);
    const items = arrays.map((each, i) => ({
      addresses: each.map((array) => address(array)),
      length: sizes[i]!,
      inputs: [0, 1],
      outputs: [0],
      scalars: [],
    }));
    await pool.run(id, items);
    const sums = await pool.run(id, items);
    assert.equal(pool.started, threads - 1);
    await pool.close();
    given.push({ arrays, sums });
  }
  assert.deepEqual(given[0], given[1]);
});

test("states of a device are what they were after threads have worked on them", async () => {
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

test("results below the smallest normal number are zero, and what is no number stays so", () => {
  const [x, y] = [input("x", "float32", ["n"]), input("y", "float32", ["n"])];
  const instance = new LoopInstance(emitLoop({ next: Mul(x, y) }));
  const given = [2 ** -126, -(2 ** -126), 2 ** -127, -1e-40, Number.NaN, Number.POSITIVE_INFINITY, -0];
  const array = Float32Array.from(given);
  instance.run({ arrays: [array, array.map(() => 1)], inputs: [0, 1], outputs: [0], scalars: [] });
  assert.deepEqual([...array], [2 ** -126, -(2 ** -126), 0, 0, Number.NaN, Number.POSITIVE_INFINITY, 0]);
});

test("a thread that cannot compute says so, and the next one can", async () => {
  const pool = new LoopThreads(2);
  const x = input("x", "float32", ["n"]);
  const [good, bad] = [emitLoop({ next: Add(x, x) }), emitLoop({ next: Add(x, x) })];
  const id = pool.compile(good);
  const arrays = [200_000, 200_000].map((n) => new Float32Array(n).fill(3));
  const items = arrays.map((array) => itemOf(array));
  const broken = pool.compile(bad);
  bad.code.fill(0);
  await assert.rejects(pool.run(broken, items), /magic|module/i);
  for (const array of arrays) array.fill(3); // one was computed in this thread
  await pool.run(id, items);
  assert.ok(arrays.every((array) => array.every((value) => value === 6)));
  await pool.close();
});

test("empty tensors are computed, and no items are", async () => {
  const pool = new LoopThreads(2);
  const x = input("x", "float32", ["n"]);
  const id = pool.compile(emitLoop({ next: Add(x, x) }, x));
  assert.deepEqual(await pool.run(id, []), []);
  const empty = itemOf(new Float32Array(0));
  assert.deepEqual(await pool.run(id, [empty, itemOf(new Float32Array(0))]), [0, 0]);
  await pool.close();
});

test("what a loop cannot be run for is told before any state moves", async () => {
  const device = await openDevice("cpu", { threads: 2 });
  const [x, s] = [input("x", "float32", ["n"]), input("s", "float32", [])];
  const loop = await device.compileLoop({ next: Mul(x, s) });
  await device.write("x", tensor("float32", [300_000], new Float32Array(300_000).fill(1)));
  await device.write("i", tensor("int32", [1], [1]));
  const scalars = { s: 2 };
  const writes = { next: "x" };
  await assert.rejects(loop.run([{ writes }]), /needs the scalar "s"/);
  await assert.rejects(
    loop.run([
      { scalars, writes },
      { scalars, writes },
    ]),
    /takes part in two runs/,
  );
  await assert.rejects(loop.run([{ scalars, reads: { x: "i" }, writes: { next: "i" } }]), /"i" is int32/);
  await assert.rejects(loop.run([{ scalars, writes: { next: "z" } }]), /"z", which is neither fed nor among/);
  assert.equal((await device.read("x")).data[299_999], 1);
  await device.close();
});

test("training is the same however many threads its loops have", async () => {
  const batches = [1, 2].map((seed) => batchOf([[segment(seed, 20, 5)]], 24, 2000));
  const trained: { reports: Report[]; weights: Float32Array[] }[] = [];
  for (const threads of [1, 3]) {
    const device = await openDevice("cpu", { threads: 1 });
    const model = await prepare(device, { ...TOY, vocab_size: 2000, hidden_size: 128, intermediate_size: 512 });
    const other = await openDevice("cpu", { threads });
    for (const name of await device.states()) await other.write(name, await device.read(name));
    await device.close();
    const training = await compileFor(other, model, batches[0]!);
    const reports: Report[] = [];
    for (let step = 1; step <= 3; step++)
      reports.push(await training.step(batches, { learning_rate: 1e-2, max_grad_norm: 0.5 }));
    const weights: Float32Array[] = [];
    for (const { name } of model.parameters) weights.push(await training.read(name));
    trained.push({ reports, weights });
    await other.close();
  }
  const [one, three] = trained;
  for (const [i, { loss, grad_norm }] of one!.reports.entries()) {
    assert.ok(Math.abs(loss - three!.reports[i]!.loss) < 1e-5 * loss, `step ${i + 1}`);
    assert.ok(Math.abs(grad_norm - three!.reports[i]!.grad_norm) < 1e-4 * grad_norm, `step ${i + 1}`);
  }
  // products of more threads are rounded otherwise
  for (const [i, weights] of one!.weights.entries()) assert.ok(relativeDifference(weights, three!.weights[i]!) < 1e-2);
});

test("what a loop cannot compute is named", () => {
  const x = input("x", "float32", ["n"]);
  assert.throws(() => emitLoop({ y: Exp(x) }), /A loop cannot compute Exp\. Expected one of: Add,/);
  assert.throws(() => emitLoop({ y: Add(x, input("y", "float32", [1])) }), /one shape .* y is \[1\] beside \[n\]/);
  assert.throws(() => emitLoop({ y: x }, input("s", "float32", [])), /one shape .* s is \[\] beside \[n\]/);
});

after(async () => (await testDevice()).close());
