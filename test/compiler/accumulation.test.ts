import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Accumulation, emitAccumulation } from "../../src/compiler/accumulation.ts";
import { gradients } from "../../src/compiler/gradients.ts";
import { eachAfterItsInputs, runtimeOrder } from "../../src/compiler/listing.ts";
import { lower } from "../../src/compiler/lower.ts";
import { schedule } from "../../src/compiler/schedule.ts";
import { targets } from "../../src/compiler/targets.ts";
import { ShapeError } from "../../src/core/errors.ts";
import { input, scalar, type Value } from "../../src/graph/value.ts";
import { Mul, ReduceSum, Reshape } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { stack, type Tensor, tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { nextToken, nextTokenFeeds } from "../../src/trainers/supervised.ts";
import { testDevice } from "../support/finite-differences.ts";
import { ranOps } from "../support/profile.ts";
import { batchOf, prepare, segment } from "../support/training.ts";

const w = input("w", "float32", [2]);
const total = (x: Value) => Reshape(ReduceSum(x, { axes: x.shape.map((_, i) => i) }), { shape: [] });

test("micro-batches of different sizes are summed, and each is given", async () => {
  const device = await testDevice();
  const x = input("x", "float32", ["n", 2]);
  const scale = input("scale", "float32", []);
  const scaled = Mul(Mul(x, w), scale);
  const program = await device.compileAccumulation({
    sums: { columns: ReduceSum(scaled, { axes: [0] }), scales: Mul(w, scale) },
    each: { mean: total(scaled) },
    batched: new Set(["x", "scale"]),
  });
  await device.write("w", tensor("float32", [2], [1, 10]));
  const feeds = (scale: number, ...x: number[]): Record<string, Tensor> => ({
    x: tensor("float32", [x.length / 2, 2], x),
    scale: tensor("float32", [], [scale]),
  });
  const { columns, scales, mean } = await program.run([feeds(1, 1, 2, 3, 4), feeds(2, 5, 6), feeds(-1)]);
  assert.deepEqual(columns!.shape, [1, 2]);
  assert.deepEqual(toNumbers(columns!), [4 + 10, 60 + 120]);
  assert.deepEqual(toNumbers(scales!), [2, 20]);
  assert.deepEqual(toNumbers(mean!), [64, 130, 0]);
  const once = await program.run([feeds(-0)]);
  assert.deepEqual(toNumbers(once.scales!), [-0, -0], "the sum of one is that one, its sign as well");
  await program.release();
});

test("a frozen state goes into the program when it is compiled, and changes no bit of what it computes", async () => {
  const device = await testDevice();
  const { model, accumulation } = await toy(device);
  const frozen = new Set(model.parameters.slice(0, 8).map(({ name }) => name));
  const sums = Object.fromEntries(Object.entries(accumulation.sums).slice(8));
  const expected = await (await device.compileAccumulation({ ...accumulation, sums })).run(feeds);
  const program = await device.compileAccumulation({ ...accumulation, sums, frozen });
  assert.deepEqual(await program.run(feeds), expected);
  await device.forget(...frozen);
  assert.deepEqual(await program.run(feeds), expected);
  const emitted = emitAccumulation({ ...accumulation, sums, frozen }, targets.cpu);
  assert.deepEqual(new Set(emitted.frozen), frozen);
  assert.ok(!emitted.inputs.some(({ name }) => frozen.has(name)));
});

test("only the first size of what each micro-batch has may be unknown", () => {
  const sums = { y: Mul(input("x", "float32", [2, "n"]), scalar(2)) };
  assert.throws(
    () => emitAccumulation({ sums, each: {}, batched: new Set(["x"]) }, targets.cpu),
    (error) => error instanceof ShapeError && /Only the first size of "x" \[2,n\] may differ/.test(error.message),
  );
});

const batches = [
  batchOf([[segment(1, 20, 5), segment(2, 9, 3)]], 32, 40, 16),
  batchOf([[segment(3, 14, 2)]], 32, 40, 16),
];
const feeds = batches.map((batch) => nextTokenFeeds(batch, 1));

/** Loss and gradients of the toy, whose layers are rematerialised. */
async function toy(device: Parameters<typeof prepare>[0]) {
  const model = await prepare(device);
  const { loss } = nextToken.loss(model, batches[0]!.shape, { rematerialize: true });
  const grads = gradients(
    loss,
    model.parameters.map(({ name }) => model.weight(name)),
  );
  const sums = Object.fromEntries(grads.map((grad, i): [string, Value] => [`grad ${i}`, grad]));
  const accumulation: Accumulation = { sums, each: { loss }, batched: new Set(Object.keys(feeds[0]!)) };
  return { model, loss, sums, accumulation };
}

test("ONNX Runtime runs the body of a rematerialised training step in the order that the schedule foresees", async () => {
  const folder = mkdtempSync(join(tmpdir(), "profile-"));
  const device = await openDevice("cpu", { threads: 1, profile: join(folder, "run") });
  const { accumulation, sums, loss } = await toy(device);
  await (await device.compileAccumulation(accumulation)).run(feeds.slice(0, 1));
  await device.close();

  const values = lower([...Object.values(sums), loss], targets.cpu);
  const foreseen = runtimeOrder(schedule(values, eachAfterItsInputs).listed).map(({ node }) => node!.op.type);
  const runs = readdirSync(folder).map((file) => ranOps(join(folder, file)));
  const ran = runs.sort((a, b) => b.length - a.length)[0]!;
  // what the body has besides: its part of each input, the running sums, the condition
  const differ = (ops: string[]) => ops.filter((op) => !["Gather", "Slice", "Add", "Identity"].includes(op));
  const ends = [ran.indexOf(differ(foreseen)[0]!), ran.indexOf("Loop")];
  assert.deepEqual(differ(ran.slice(ends[0], ends[1])), differ(foreseen));
});

test("the program for CUDA is one that ONNX Runtime loads, and computes the same on the CPU", async () => {
  const device = await testDevice();
  const { model, accumulation } = await toy(device);
  const { bytes, inputs, sizes } = emitAccumulation(accumulation, targets.cuda);
  const path = join(mkdtempSync(join(tmpdir(), "cuda-")), "model.onnx");
  writeFileSync(path, bytes);
  const given: Record<string, Tensor> = { micro_batches: tensor("int64", [], [feeds.length]) };
  for (const { name } of inputs) {
    const of = sizes.get(name);
    if (of) given[name] = stack(feeds.map((each) => tensor("int64", [1], [each[of]!.shape[0]!])));
    else if (feeds[0]![name]) given[name] = stack(feeds.map((each) => each[name]!));
  }
  for (const { name } of model.parameters) given[name] = await device.read(name);
  const found = await (await device.load(path)).run(given);
  const expected = await (await device.compileAccumulation(accumulation)).run(feeds);
  for (const [name, x] of Object.entries(expected))
    for (const [i, value] of toNumbers(x).entries())
      assert.ok(Math.abs(value - toNumbers(found[name]!)[i]!) <= 1e-4 * (1 + Math.abs(value)), `${name}[${i}]`);
});

test("where states are copied is the target's answer", () => {
  const answers = Object.values(targets).map(({ name, residency }) => [name, residency]);
  assert.deepEqual(Object.fromEntries(answers), {
    cpu: "shared",
    webgpu: "device",
    cuda: "copied",
    portable: "device",
  });
});

after(async () => (await testDevice()).close());
