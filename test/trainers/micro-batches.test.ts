import assert from "node:assert/strict";
import { test } from "node:test";
import { layOut } from "../../src/data/batch.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
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

/** Losses and norms of the steps; gradients, weights and moments after the first and after the last. */
async function trainWith(residency: "shared" | "copied", options: Partial<TrainingOptions>) {
  const device = await openDevice("cpu", { residency });
  const model = await prepare(device);
  const training = await compileFor(device, model, steps[0]![0]!, options);
  const results = [];
  const states: Record<string, readonly number[]>[] = [];
  for (const [i, batches] of steps.entries()) {
    results.push(await training.step(batches, { learning_rate: 1e-2, max_grad_norm: 0.5 }));
    if (i > 0 && i < steps.length - 1) continue;
    const all = model.parameters.flatMap(({ name }) => [name, `grad/${name}`, `m/${name}`, `v/${name}`]);
    states.push(
      Object.fromEntries(
        await Promise.all(all.map(async (name) => [name, toNumbers(await device.read(name))] as const)),
      ),
    );
  }
  await device.close();
  return { results, states };
}

const OPTIONS: Record<string, Partial<TrainingOptions>> = {
  "": {},
  ", layers rematerialised": { rematerialize: true },
  ", in half precision": { precision: "fp16" },
};
for (const [name, options] of Object.entries(OPTIONS))
  test(`one run for all micro-batches equals a run for each, bit for bit${name}`, async () => {
    const [each, all] = [await trainWith("shared", options), await trainWith("copied", options)];
    assert.deepEqual(all.results, each.results);
    for (const [i, states] of each.states.entries())
      for (const [name, values] of Object.entries(states)) assert.deepEqual(all.states[i]![name], values, name);
    assert.ok(each.results.every(({ loss, grad_norm }) => loss > 0 && grad_norm > 0.5));
  });

for (const residency of ["shared", "copied"] as const)
  test(`a step whose gradients are not finite is told and not applied, states ${residency}`, async () => {
    const device = await openDevice("cpu", { threads: 1, residency });
    const model = await prepare(device);
    const training = await compileFor(device, model, steps[0]![0]!);
    const settings = { learning_rate: 1e-2, max_grad_norm: 0.5 };
    await training.step(steps[0]!, settings);
    const name = "model.layers.0.mlp.down_proj.weight";
    await device.write(name, tensor("float32", [32, 48], new Float32Array(32 * 48).fill(Number.NaN)));
    const watched = [`m/${name}`, "model.norm.weight"];
    const before = await Promise.all(watched.map((state) => device.read(state)));
    const { loss, grad_norm } = await training.step(steps[0]!, settings);
    assert.ok(Number.isNaN(loss) && Number.isNaN(grad_norm), `${loss}, ${grad_norm}`);
    assert.deepEqual(await Promise.all(watched.map((state) => device.read(state))), before);
    await device.close();
  });

for (const residency of ["shared", "copied"] as const)
  test(`gradients are gone before the next are computed, also where that fails, states ${residency}`, async () => {
    const device = await openDevice("cpu", { threads: 1, residency });
    const model = await prepare(device);
    const [batches, others] = [steps[0]!, [layOut([[segment(17, 9, 1)]], { ...shape, rows: 1, length: 12 })]];
    const training = await compileFor(device, model, batches[0]!);
    const settings = { learning_rate: 1e-2, max_grad_norm: 1 };
    const gradients = async () => (await device.states()).filter((name) => name.startsWith("grad/")).length;
    await training.step(batches, settings);
    assert.equal(await gradients(), model.parameters.length);
    await assert.rejects(training.step(others, settings));
    assert.equal(await gradients(), 0);
    assert.ok((await training.step(batches, settings)).loss > 0);
    assert.equal(await gradients(), model.parameters.length);
    await device.close();
  });
