import assert from "node:assert/strict";
import { after, test } from "node:test";
import { INITIAL_STATE } from "../../src/trainers/layout/layout.ts";
import { choosePrecision } from "../../src/trainers/precision.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { testDevice } from "../support/finite-differences.ts";
import { resumesInHalf } from "../support/half.ts";
import { prepareLora } from "../support/lora.ts";
import { recoversFromOverflow } from "../support/overflow.ts";
import { ADAMW, batchOf, losses, prepare, segment, TOY } from "../support/training.ts";

const segments = [segment(1, 20, 5), segment(2, 9, 3), segment(3, 14, 1), segment(4, 5, 2)];

test("half precision on the CPU has the losses of float32", async () => {
  const batch = batchOf([segments], 48, 40, 16);
  const device = await testDevice();
  const full = await losses(device, TOY, batch, {});
  const half = await losses(device, TOY, batch, { precision: "fp16" });
  for (const [i, loss] of full.entries())
    assert.ok(Math.abs(loss - half[i]!) <= 2e-2, `step ${i + 1}: float32 ${loss}, half ${half[i]}`);
  assert.notDeepEqual(half, full);
});

for (const base of ["float32", "float16"] as const)
  test(`an adapter beside weights in ${base} trains in half precision as in float32, and leaves them alone`, async () => {
    const device = await testDevice();
    const batch = batchOf([segments], 48, 40, 16);
    const runs: number[][] = [];
    for (const precision of ["fp32", "fp16"] as const) {
      const model = await prepareLora(device, TOY, {}, { base: () => base });
      const { parameters } = model.adapter!;
      await resetMoments(device, parameters);
      const frozen = async () => (await device.read("model.embed_tokens.weight")).data;
      const before = await frozen();
      const training = await compileTraining(
        device,
        model,
        nextToken,
        batch.shape,
        { ...ADAMW, precision },
        parameters,
      );
      const all: number[] = [];
      for (let step = 1; step <= 20; step++)
        all.push((await training.step([batch], { learning_rate: 1e-2, max_grad_norm: 1 })).loss);
      await training.release();
      for (const { name } of parameters) assert.equal((await device.read(name)).dtype, "float32", name);
      assert.deepEqual(await frozen(), before);
      runs.push(all);
    }
    const [full, half] = runs as [number[], number[]];
    for (const [i, loss] of full.entries())
      assert.ok(Math.abs(loss - half[i]!) <= 2e-2, `step ${i + 1}: float32 ${loss}, half ${half[i]}`);
    assert.ok(half.at(-1)! < half[0]! - 0.1, `${half[0]} to ${half.at(-1)}`);
  });

test("an overflow on the CPU is passed over, counted, and recovered from", async () =>
  recoversFromOverflow(await testDevice()));

test("the scale of the loss doubles after 2000 steps without an overflow", async () => {
  const device = await testDevice();
  const model = await prepare(device);
  const batch = batchOf([segments], 48);
  const state = { ...INITIAL_STATE, loss_scale: 1024, good_steps: 1998 };
  const training = await compileTraining(
    device,
    model,
    nextToken,
    batch.shape,
    { ...ADAMW, precision: "fp16" },
    model.parameters,
    state,
  );
  const scales: number[] = [];
  for (let step = 1; step <= 3; step++) {
    const { loss_scale, good_steps } = await training.step([batch], { learning_rate: 1e-3, max_grad_norm: 1 });
    scales.push(loss_scale, good_steps);
  }
  assert.deepEqual(scales, [1024, 1999, 2048, 0, 2048, 1]);
});

test("the CPU is asked for half precision only by name", async () => {
  const device = await testDevice();
  assert.equal(await choosePrecision(device, "auto"), "fp32");
  assert.equal(await choosePrecision(device, "fp16"), "fp16");
});

test("a resumed run in half precision is the uninterrupted run, bit for bit, with its scale of the loss", async () => {
  const { whole, resumed } = await resumesInHalf("cpu");
  assert.deepEqual(resumed.weights, whole.weights);
  assert.deepEqual(resumed.metrics, whole.metrics);
});

after(async () => (await testDevice()).close());
