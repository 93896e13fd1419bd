import assert from "node:assert/strict";
import type { Device } from "../../src/runtime/device.ts";
import { INITIAL_STATE } from "../../src/trainers/layout/layout.ts";
import { compileTraining } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { ADAMW, batchOf, prepare, segment } from "./training.ts";

/** Train in half precision from a scale of the loss at which gradients overflow. */
export async function recoversFromOverflow(device: Device): Promise<void> {
  const model = await prepare(device);
  const batch = batchOf([[segment(1, 20, 5), segment(2, 9, 3)]], 32, 40, 32);
  const scale = 2 ** 24;
  const state = { ...INITIAL_STATE, loss_scale: scale };
  const training = await compileTraining(
    device,
    model,
    nextToken,
    batch.shape,
    { ...ADAMW, precision: "fp16" },
    model.parameters,
    state,
  );
  const step = () => training.step([batch], { learning_rate: 3e-3, max_grad_norm: 1 });
  const names = model.parameters.flatMap(({ name }) => [name, `m/${name}`, `v/${name}`]);
  const states = async () => {
    const all: Float32Array[] = [];
    for (const name of names) all.push((await training.read(name)).slice());
    return all;
  };
  const before = await states();
  const first = await step();
  assert.ok(!Number.isFinite(first.grad_norm), `the norm is ${first.grad_norm}`);
  assert.deepEqual(await states(), before, "nothing is applied");
  const { skipped_steps, loss_scale, good_steps, beta1_power } = first;
  assert.deepEqual([skipped_steps, loss_scale, good_steps, beta1_power], [1, scale / 2, 0, 1]);
  let last = first;
  for (let i = 2; i <= 16; i++) last = await step();
  assert.ok(Number.isFinite(last.grad_norm) && last.loss < first.loss - 0.2, `${first.loss} to ${last.loss}`);
  assert.equal(last.loss_scale, scale / 2 ** last.skipped_steps);
  assert.equal(last.good_steps, 16 - last.skipped_steps);
  assert.ok(Math.abs(last.beta1_power - ADAMW.beta1 ** last.good_steps) < 1e-6, "moments count the applied steps");
}
