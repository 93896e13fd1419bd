import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { emit } from "../../src/compiler/emit.ts";
import { gradients } from "../../src/compiler/gradients.ts";
import { backwards, runtimeOrder } from "../../src/compiler/listing.ts";
import { lower } from "../../src/compiler/lower.ts";
import { schedule } from "../../src/compiler/schedule.ts";
import { sparing, type Target, targets } from "../../src/compiler/targets.ts";
import { input, type Value } from "../../src/graph/value.ts";
import { storageOf } from "../../src/models/storage.ts";
import { attention } from "../../src/nn/attention.ts";
import { linear } from "../../src/nn/linear.ts";
import { resolve, strictlyAfter } from "../../src/ops/after.ts";
import { Add, After, Concat, Exp, Mul, Neg, ReduceSum, Reshape, Scan, Sqrt, Transpose } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { nextToken, nextTokenFeeds } from "../../src/trainers/supervised.ts";
import { ranOps } from "../support/profile.ts";
import { batchOf, prepare, segment } from "../support/training.ts";

test("what an After puts earlier comes earlier, and is not computed only for that", () => {
  const x = input("x", "float32", [2]);
  const first = Exp(x);
  const ordered = schedule([Mul(Sqrt(After(x, first)), first)], backwards).order.map(({ node }) => node?.op.type);
  assert.ok(ordered.indexOf("Exp") < ordered.indexOf("Sqrt"));
  const alone = schedule([Sqrt(After(x, Exp(x)))], backwards).order.map(({ node }) => node?.op.type);
  assert.ok(!alone.includes("Exp"));
});

test("what waits for a transposition that ended in what reads it waits for what was transposed", () => {
  const [x, y] = [input("x", "float32", [2, 3]), input("y", "float32", [2, 3])];
  const turned = (x: Value) => Transpose(x, { perm: [1, 0] });
  const parts = [turned(Exp(x)), turned(Neg(y))] as const;
  const joined = Concat(...parts, { axis: 0 });
  const lowered = lower([joined, Sqrt(After(x, parts[1]))], targets.webgpu);
  const { order, listed } = schedule([lowered[1]!, lowered[0]!], backwards);
  assert.equal(order.filter(({ node }) => node?.op === Transpose).length, 1);
  const ran = runtimeOrder(listed).map(({ node }) => node!.op.type);
  assert.ok(ran.indexOf("Neg") < ran.indexOf("Sqrt"), `${ran}`);
});

test("an order that ONNX Runtime would not follow becomes a dependency, and nothing is computed twice", () => {
  const x = input("x", "float32", [2]);
  // what comes earlier is used by the last result only, so that nothing but a dependency can order them
  const first = Exp(x);
  const { order, listed } = schedule([Sqrt(After(x, first)), Mul(first, first)], backwards);
  assert.equal(order.filter(({ node }) => node?.op.type === "Exp").length, 1);
  const ran = runtimeOrder(listed).map(({ node }) => node!.op.type);
  assert.ok(ran.includes("Slice") && ran.indexOf("Exp") < ran.indexOf("Sqrt"), `${ran}`);
});

for (const dtype of ["float32", "float64", "bool", "uint8", "int8", "uint16", "int64"] as const)
  test(`a dependency leaves every bit of ${dtype} as it is`, async () => {
    const device = await openDevice("cpu", { threads: 1 });
    const x = input("x", "float32", [2]);
    const y = input("y", dtype, [3]);
    const first = Exp(x);
    const outputs = { turned: Reshape(After(y, first), { shape: [3, 1] }), last: Sqrt(first) };
    const types = schedule(Object.values(outputs), backwards).order.map(({ node }) => node?.op.type);
    assert.ok(types.includes("Slice"), "the order became a dependency");
    const given = tensor(dtype, [3], dtype.startsWith("float") ? [-0, 1.5, -3] : [1, 0, 1]);
    const program = await device.compile(outputs);
    const { turned: found } = await program.run({ x: tensor("float32", [2], [-1, 1]), y: given });
    assert.deepEqual(found!.data, given.data);
    await device.close();
  });

for (const dtype of ["float32", "int32"] as const)
  test(`where kernels count a dependency is a choice, which leaves every bit of ${dtype} as it is, beside what is not a number too`, async () => {
    const device = await openDevice("cpu", { threads: 1 });
    const x = input("x", dtype, [2]);
    const y = input("y", dtype, [3]);
    const first = Mul(x, x);
    const outputs = { turned: Reshape(After(y, first), { shape: [3, 1] }), last: Add(first, x) };
    const target = { ...targets.cpu, fewKernels: true };
    const types = schedule(Object.values(outputs), backwards, target).order.map(({ node }) => node?.op.type);
    assert.ok(types.includes("Where") && !types.includes("Sub"), "the order became a choice");
    const path = join(mkdtempSync(join(tmpdir(), "choice-")), "model.onnx");
    writeFileSync(path, emit(outputs, target).bytes);
    const given = tensor(dtype, [3], dtype === "float32" ? [-0, 1.5, Number.NaN] : [1, 0, -7]);
    const feeds = { x: tensor(dtype, [2], dtype === "float32" ? [Number.NaN, 1] : [2, 1]), y: given };
    const { turned: found } = await (await device.load(path)).run(feeds);
    assert.deepEqual(found!.data, given.data);
    await device.close();
  });

test("ONNX Runtime runs a rematerialised training step in the order that the schedule foresees", async () => {
  const folder = mkdtempSync(join(tmpdir(), "profile-"));
  const device = await openDevice("cpu", { threads: 1, profile: join(folder, "run") });
  const model = await prepare(device);
  const batch = batchOf([[segment(1, 20, 5), segment(2, 9, 3)]], 32, 40, 16);
  const { loss } = nextToken.loss(model, batch.shape, { rematerialize: true });
  const grads = gradients(
    loss,
    model.parameters.map(({ name }) => model.weight(name)),
  );
  const outputs: Record<string, Value> = Object.fromEntries(grads.map((grad, i) => [`grad ${i}`, grad]));
  const program = await device.compile(outputs);
  await program.run(nextTokenFeeds(batch, 1));
  await device.close();

  const { listed } = schedule(lower(Object.values(outputs), targets.cpu), backwards);
  const ours = runtimeOrder(listed).map(({ node }) => node!.op.type);
  const runs = readdirSync(folder).map((file) => ranOps(join(folder, file)));
  const theirs = runs.sort((a, b) => b.length - a.length)[0]!.filter((op) => op !== "Identity");
  assert.deepEqual(theirs, ours);
});

test("where memory has room nothing is computed twice, and no order is held but what is asked for", () => {
  const x = input("x", "float32", [2]);
  const first = Exp(x);
  const again = After(x, first);
  const types = (target: Target) => {
    const outputs = [Sqrt(x), Mul(Sqrt(again), first), Neg(strictlyAfter(x, first))];
    return schedule(lower(outputs, target), backwards).order.flatMap(({ node }) => node?.op.type ?? []);
  };
  const count = (ops: readonly string[], type: string) => ops.filter((op) => op === type).length;
  assert.equal(count(types(targets.cuda), "Sqrt"), 1);
  assert.equal(count(types(sparing(targets.cuda)), "Sqrt"), 2);
  assert.ok(types(targets.cuda).indexOf("Exp") < types(targets.cuda).indexOf("Neg"));
});

test("where memory has room a weight is widened anew for each product all the same", () => {
  const parameter = { name: "w", shape: [8, 8], init: "normal" } as const;
  const x = input("x", "float32", [4, 8]);
  const y = linear(Exp(x), storageOf(parameter, "float16", "float32").whole(x));
  const sum = Reshape(ReduceSum(Mul(y, y), { axes: [0, 1] }), { shape: [] });
  const outputs = [sum, ...gradients(sum, [x])];
  const { order } = schedule(lower(outputs, targets.cuda), backwards);
  assert.equal(order.filter(({ node }) => node?.op.type === "Cast").length, 2);
});

test("the backward pass of attention in long rows cuts out a block's keys when the block before is done", () => {
  const layout = { rows: 1, length: 1024, block: 128, num_heads: 2, num_key_value_heads: 1, head_dim: 4 };
  const [q, k, v] = [8, 4, 4].map((width, i) => input("qkv"[i]!, "float32", [1024, width])) as [Value, Value, Value];
  const keyStarts = Array.from({ length: 7 }, (_, i) => input(`key_start_${i}`, "int64", [1]));
  const y = attention(q, k, v, input("starts", "float32", [1, 1024, 1, 1]), ...keyStarts, layout);
  const sum = Reshape(ReduceSum(Mul(y, y), { axes: [0, 1] }), { shape: [] });
  const { listed } = schedule(lower(gradients(sum, [q, k, v]), targets.cpu), backwards);
  const ran = runtimeOrder(listed);
  const blocks = ran.filter(({ node }) => node!.op === Scan && node!.inputs.length === 6);
  assert.equal(blocks.length, 8);
  for (const [i, { node }] of blocks.slice(1).entries())
    for (const keys of node!.inputs.slice(1, 3))
      assert.ok(ran.indexOf(resolve(keys)) > ran.indexOf(blocks[i]!), `block ${i + 1}`);
});
