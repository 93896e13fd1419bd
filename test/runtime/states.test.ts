import assert from "node:assert/strict";
import { test } from "node:test";
import { emit } from "../../src/compiler/emit.ts";
import { targets } from "../../src/compiler/targets.ts";
import { Stopped } from "../../src/core/errors.ts";
import { constant, input } from "../../src/graph/value.ts";
import { Add, Expand, MatMul, Mul, Neg, ScatterElements } from "../../src/ops/index.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { Host } from "../../src/runtime/host.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { extent } from "../support/extent.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const skip = whyNoVulkan() ?? false;
const size = [4];
const x = input("x", "float32", size);
const given = () => tensor("float32", size, [1, 2, 3, 4]);
const read = async (device: Device, name: string) => toNumbers(await device.read(name));

for (const [name, options] of [
  ["cpu", {}],
  ["webgpu", { strict: true }],
] as const) {
  const settings = { skip: name === "webgpu" && skip };

  test(
    `${name}: a state may be read, replaced and forgotten while a program that reads it runs`,
    settings,
    async () => {
      const device = await openDevice(name, options);
      const program = await device.compile({ y: Neg(x) }, { keep: ["y"] });
      await device.write("x", given());
      const all = [
        program.run({}),
        device.read("x"),
        device.write("x", tensor("float32", size, [5, 5, 5, 5])),
        program.run({}),
      ];
      const [, before] = await Promise.all(all);
      assert.deepEqual(toNumbers(before as Awaited<ReturnType<Device["read"]>>), [1, 2, 3, 4]);
      assert.deepEqual(await read(device, "y"), [-5, -5, -5, -5]);
      await Promise.all([program.run({}), device.forget("x")]);
      await assert.rejects(program.run({}), /needs "x"/);
      await device.close();
    },
  );

  test(`${name}: states outlive the program that gave them, and two programs share one`, settings, async () => {
    const device = await openDevice(name, options);
    const first = await device.compile({ y: Neg(x) }, { keep: ["y"] });
    const second = await device.compile({ z: Mul(input("y", "float32", size), x) }, { keep: ["z"] });
    await device.write("x", given());
    await first.run({});
    await first.release();
    assert.deepEqual(await read(device, "y"), [-1, -2, -3, -4]);
    await second.run({});
    await second.run({}, { writes: { z: "y" } }); // it reads what it writes over
    assert.deepEqual(await read(device, "y"), [-1, -4, -9, -16]);
    assert.deepEqual(await read(device, "z"), [-1, -4, -9, -16]);
    await assert.rejects(first.run({}), /has been released/);
    await device.close();
  });

  test(`${name}: two programs that are asked at once change one state one after the other`, settings, async () => {
    const device = await openDevice(name, options);
    const sum = input("sum", "float32", size);
    const [add, double] = [
      await device.compile({ next: Add(sum, x) }, { keep: ["next"] }),
      await device.compile({ next: Add(sum, sum) }, { keep: ["next"] }),
    ];
    await device.write("sum", tensor("float32", size, [0, 0, 0, 0]));
    const writes = { next: "sum" };
    const asked = [add.run({ x: given() }, { writes }), double.run({}, { writes }), device.read("sum")];
    const last = [add.run({ x: given() }, { writes }), double.run({}, { writes })];
    const [, , between] = await Promise.all(asked);
    assert.deepEqual(toNumbers(between as Awaited<ReturnType<Device["read"]>>), [2, 4, 6, 8]);
    await Promise.all(last);
    assert.deepEqual(await read(device, "sum"), [6, 12, 18, 24]);
    await device.close();
  });

  test(`${name}: a program is released while it runs and while states that it made itself live`, settings, async () => {
    const device = await openDevice(name, options);
    const rows = input("rows", "float32", ["count", 2]);
    // of a size that only the run tells, so its session makes the state
    const program = await device.compile({ y: Neg(rows) }, { keep: ["y"] });
    const reader = await device.compile({ z: Neg(input("y", "float32", ["count", 2])) });
    const running = program.run({ rows: tensor("float32", [2, 2], [1, 2, 3, 4]) });
    const released = program.release();
    await Promise.all([running, released]);
    assert.deepEqual(toNumbers((await reader.run({})).z!), [1, 2, 3, 4]);
    const other = await device.compile({ y: Mul(rows, rows) }, { keep: ["y"] });
    await other.run({ rows: tensor("float32", [1, 2], [5, 6]) });
    assert.deepEqual(toNumbers((await reader.run({})).z!), [-25, -36]);
    await reader.release();
    assert.deepEqual(await read(device, "y"), [25, 36]);
    await device.close();
  });

  test(
    `${name}: a state that is not read is written where it is, and one that is read is whole until the run has ended`,
    settings,
    async () => {
      const device = await openDevice(name, options);
      const sum = input("sum", "float32", size);
      const program = await device.compile({ next: Add(sum, x), twice: Add(sum, sum) }, { keep: ["next", "twice"] });
      await device.write("sum", tensor("float32", size, [0, 0, 0, 0]));
      for (let i = 0; i < 3; i++) await program.run({ x: given() }, { writes: { next: "sum" } });
      assert.deepEqual(await read(device, "sum"), [3, 6, 9, 12]);
      assert.deepEqual(await read(device, "twice"), [4, 8, 12, 16]);
      await device.close();
    },
  );
}

test("launches that are repeated compute with what is fed, read and written now", { skip }, async () => {
  const device = await openDevice("webgpu", { strict: true });
  const y = MatMul(input("w", "float32", [2, 2]), input("v", "float32", [2, 2]));
  const program = await device.compile({ y, square: Mul(y, y) }, { keep: ["y"], capture: true });
  const matrix = (...data: number[]) => tensor("float32", [2, 2], data);
  await device.write("w", matrix(1, 0, 0, 1));
  for (const [factor, target] of [
    [1, "y"],
    [2, "y"],
    [3, "other"],
    [4, "y"],
    [5, "other"],
  ] as const) {
    const { square } = await program.run({ v: matrix(factor, 0, 0, factor) }, { writes: { y: target } });
    assert.deepEqual(toNumbers(square!), [factor ** 2, 0, 0, factor ** 2]);
    assert.deepEqual(await read(device, target), [factor, 0, 0, factor]);
  }
  await device.write("w", matrix(2, 0, 0, 2));
  await program.run({ v: matrix(1, 1, 1, 1) });
  assert.deepEqual(await read(device, "y"), [2, 2, 2, 2]);
  await device.forget("w");
  await device.write("w", matrix(0, 1, 1, 0)); // somewhere else
  await program.run({ v: matrix(1, 2, 3, 4) });
  assert.deepEqual(await read(device, "y"), [3, 4, 1, 2]);
  await program.release();
  await device.close();
});

test("what is added to a value that is used elsewhere too is added anew in every repetition", { skip }, async () => {
  const device = await openDevice("webgpu", { strict: true });
  const [column, at] = [input("column", "float32", [3, 1]), constant([0, 1, 0], "int32", [3, 1])];
  const wide = Mul(Expand(column, { shape: [3, 2] }), input("factor", "float32", []));
  const one = ScatterElements(wide, at, column, { axis: 1 });
  const other = ScatterElements(constant(new Array(6).fill(0), "float32", [3, 2]), at, column, { axis: 1 });
  const program = await device.compile({ y: Add(Mul(one, other), wide), one }, { capture: true });
  await device.write("factor", tensor("float32", [], [1]));
  for (const [a, b, c] of [
    [1, 2, 3],
    [1, 2, 3],
    [4, 0, 1],
  ] as const) {
    const found = await program.run({ column: tensor("float32", [3, 1], [a, b, c]) });
    assert.deepEqual(toNumbers(found.one!), [2 * a, a, b, 2 * b, 2 * c, c]);
    assert.deepEqual(toNumbers(found.y!), [2 * a * a + a, a, b, 2 * b * b + b, 2 * c * c + c, c]);
  }
  await device.close();
});

test("a run is stopped from the main thread, and the device goes on when it is told to", async () => {
  const device = await openDevice("cpu");
  const shape = [700, 700];
  let y = input("x", "float32", shape);
  for (let i = 0; i < 200; i++) y = MatMul(y, input("x", "float32", shape));
  const program = await device.compile({ y }, { keep: ["y"] });
  await device.write("x", tensor("float32", shape, new Float32Array(700 * 700)));
  const run = program.run({});
  setTimeout(() => device.interrupt(), 50);
  await assert.rejects(run, Stopped);
  await assert.rejects(program.run({}), Stopped);
  await device.proceed();
  const small = await device.compile({ z: Neg(input("s", "float32", size)) });
  assert.deepEqual(toNumbers((await small.run({ s: given() })).z!), [-1, -2, -3, -4]);
  await device.close();
});

for (const [name, options, settings] of [
  ["cpu", {}, {}],
  ["webgpu", { strict: true }, { skip }],
] as const)
  test(`${name}: 500 runs that read, write, feed and answer do not grow the process`, settings, async () => {
    const device = await openDevice(name, options);
    const count = extent(2 ** 18, 2 ** 20); // a tensor that were left of each run would be four times what is allowed
    const megabytes = (4 * count) / 2 ** 20;
    const large = [count];
    const [sum, part] = [input("sum", "float32", large), input("part", "float32", large)];
    const program = await device.compile({ next: Add(sum, part), answer: Neg(part) }, { keep: ["next"] });
    await device.write("sum", tensor("float32", large, new Float32Array(count)));
    const step = async () => {
      await program.run({ part: tensor("float32", large, new Float32Array(count)) }, { writes: { next: "sum" } });
    };
    for (let i = 0; i < 100; i++) await step();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 500; i++) await step();
    const grown = (process.memoryUsage.rss() - before) / 2 ** 20;
    assert.ok(grown < 128, `${grown.toFixed(0)} MB in 500 runs of ${3 * megabytes} MB each`);
    await device.close();
  });

test("a state that passes lies in its program's memory: it is read, worked on, and outlives the program", async () => {
  const device = await openDevice("cpu", { threads: 2 });
  const large = input("large", "float32", [300_000]);
  const program = await device.compile({ y: Neg(large), z: Mul(large, large) }, { keep: ["y", "z"], passing: ["y"] });
  const loop = await device.compileLoop({ next: Add(input("a", "float32", ["n"]), input("b", "float32", ["n"])) });
  await device.write("large", tensor("float32", [300_000], new Float32Array(300_000).fill(3)));
  for (let step = 0; step < 3; step++) {
    await program.run({});
    await program.run({}, { writes: { y: "other" } }); // both are there at once
    await loop.run([{ reads: { a: "y", b: "other" }, writes: { next: "y" } }]);
    assert.ok((await read(device, "y")).every((value) => value === -6));
    assert.ok((await read(device, "other")).every((value) => value === -3));
    await device.forget("y", "other");
  }
  await program.run({});
  await program.release();
  assert.deepEqual(await device.states(), ["large", "z", "y"]);
  assert.ok((await read(device, "y")).every((value) => value === -3));
  await device.forget("y");
  await device.close();
});

test("what passes takes no memory beside its program's own", async () => {
  const host = Host.open({ provider: "cpu", threads: 1, strict: false, pool: 1 });
  const size = 2 ** 23;
  const large = input("large", "float32", [size]);
  host.write("large", tensor("float32", [size], new Float32Array(size)));
  const grown = (options: { passing?: string[] }) => {
    const { bytes, inputs, outputs } = emit({ y: Neg(large) }, targets.cpu);
    const program = host.compile({ bytes, inputs, outputs, keep: ["y"], ...options });
    const before = process.memoryUsage().arrayBuffers;
    host.run(program, {}, {});
    const arrays = process.memoryUsage().arrayBuffers - before;
    host.forget(["y"]);
    return arrays / 2 ** 20;
  };
  assert.ok(grown({}) > 30);
  assert.ok(grown({ passing: ["y"] }) < 1);
  await host.close();
});
