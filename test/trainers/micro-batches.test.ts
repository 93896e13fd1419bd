import assert from "node:assert/strict";
import { test } from "node:test";
import { layOut } from "../../src/data/batch.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import type { TrainingOptions } from "../../src/trainers/program.ts";
import { batchOf, compileFor, prepare, segment } from "../support/training.ts";

/** Rows of 24 tokens in blocks of 8; the loss is computed in 3 chunks. */
const shape = { ...batchOf([[], []], 24, 40, 8).shape, chunks: 3 };
const steps = [
  [
    [[segment(1, 20, 5)], [segment(2, 9, 3), segment(3, 14, 1)]],
    [[segment(4, 5, 2)]], // a row is empty, and few tokens are supervised
    [[segment(5, 24, 0)], [segment(6, 24, 0)]],
    [[segment(7, 11, 10)], [segment(8, 23, 4)]],
  ],
  [[[segment(9, 20, 5)], [segment(10, 9, 3)]], [[segment(11, 8, 4)]]], // fewer micro-batches, as at an epoch's end
  [[[segment(12, 22, 2)], [segment(13, 17, 9)]]],
  [[[segment(14, 7, 2)]], [[segment(15, 18, 3)]], [[segment(16, 12, 6)]], [[segment(17, 24, 1)]]],
].map((step) => step.map((rows) => layOut(rows, shape)));

/** Losses and norms of the steps; weights and moments after the first and after the last. */
async function trainWith(residency: "shared" | "device", options: Partial<TrainingOptions>) {
  const device = await openDevice("cpu", { residency });
  const model = await prepare(device);
  const training = await compileFor(device, model, steps[0]![0]!, options);
  const results = [];
  const states: Record<string, Float32Array>[] = [];
  for (const [i, batches] of steps.entries()) {
    results.push(await training.step(batches, { learning_rate: 1e-2, max_grad_norm: 0.5 }));
    if (i > 0 && i < steps.length - 1) continue;
    const all = model.parameters.flatMap(({ name }) => [name, `m/${name}`, `v/${name}`]);
    states.push(
      Object.fromEntries(await Promise.all(all.map(async (name) => [name, await training.read(name)] as const))),
    );
  }
  await device.close();
  return { results, states };
}

const OPTIONS: Record<string, { options: Partial<TrainingOptions>; within: number }> = {
  "": { options: {}, within: 1e-5 },
  ", layers rematerialised": { options: { rematerialize: true }, within: 1e-5 },
  ", in half precision": { options: { precision: "fp16" }, within: 2e-2 }, // sums of gradients are in another order
};
for (const [name, { options, within }] of Object.entries(OPTIONS))
  test(`states that stay on a device are trained as those in host memory${name}`, async () => {
    const [host, onDevice] = [await trainWith("shared", options), await trainWith("device", options)];
    for (const [i, { loss, grad_norm }] of host.results.entries()) {
      const found = onDevice.results[i]!;
      assert.ok(Math.abs(found.loss - loss) <= within * loss, `step ${i + 1}: loss ${loss}, ${found.loss}`);
      assert.ok(Math.abs(found.grad_norm - grad_norm) <= within * grad_norm, `${grad_norm}, ${found.grad_norm}`);
    }
    for (const [i, states] of host.states.entries())
      for (const [name, values] of Object.entries(states)) {
        const found = onDevice.states[i]![name]!;
        const apart = Math.sqrt(values.reduce((sum, x, k) => sum + (x - found[k]!) ** 2, 0));
        const size = Math.sqrt(values.reduce((sum, x) => sum + x ** 2, 0));
        assert.ok(apart <= 10 * within * size, `${name}: ${apart} of ${size}`);
      }
    assert.ok(host.results.every(({ loss, grad_norm }) => loss > 0 && grad_norm > 0.5));
  });

for (const residency of ["shared", "device"] as const)
  test(`a step whose gradients are not finite is told and not applied, states ${residency}`, async () => {
    const device = await openDevice("cpu", { threads: 1, residency });
    const model = await prepare(device);
    const training = await compileFor(device, model, steps[0]![0]!);
    const settings = { learning_rate: 1e-2, max_grad_norm: 0.5 };
    await training.step(steps[0]!, settings);
    const name = "model.layers.0.mlp.down_proj.weight";
    await device.write(name, tensor("float32", [32, 48], new Float32Array(32 * 48).fill(Number.NaN)));
    const watched = [`m/${name}`, "model.norm.weight"];
    const before = await Promise.all(watched.map(training.read));
    const { loss, grad_norm } = await training.step(steps[0]!, settings);
    assert.ok(Number.isNaN(loss) && Number.isNaN(grad_norm), `${loss}, ${grad_norm}`);
    assert.deepEqual(await Promise.all(watched.map(training.read)), before);
    await device.close();
  });

for (const residency of ["shared", "device"] as const)
  test(`gradients are written over in place, also after a run that failed, states ${residency}`, async () => {
    const device = await openDevice("cpu", { threads: 1, residency });
    const model = await prepare(device);
    const [batches, others] = [steps[0]!, [layOut([[segment(17, 9, 1)]], { ...shape, rows: 1, length: 12 })]];
    const training = await compileFor(device, model, batches[0]!);
    const settings = { learning_rate: 1e-2, max_grad_norm: 1 };
    const states = async () => (await device.states()).length;
    const { loss } = await training.step(batches, settings);
    const before = await states();
    await assert.rejects(training.step(others, settings));
    assert.ok((await training.step(batches, settings)).loss < loss);
    assert.equal(await states(), before);
    await device.close();
  });
