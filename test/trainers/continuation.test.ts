import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { describeContinuation } from "../../src/trainers/continuation.ts";
import { TrainerOptions } from "../../src/trainers/options.ts";
import { CASES, optionsOf, trainIn } from "../support/trainers.ts";

let device: Device;
before(async () => {
  device = await openDevice("cpu");
});
after(() => device.close());

const weightsIn = (output: string, step: number) =>
  ["model.safetensors", "optimizer.safetensors"].map((file) =>
    readFileSync(join(output, "checkpoints", `step-${step}`, file)),
  );

for (const [name, one] of Object.entries(CASES))
  test(`${name}: four steps and then three more are seven in one go, bit for bit`, async () => {
    const options = (max_steps: number) =>
      optionsOf(one, { max_steps, lr_scheduler_type: "constant", warmup_steps: 2, save_steps: 3 });
    const [parts, whole] = [mkdtempSync(join(tmpdir(), "longer-")), mkdtempSync(join(tmpdir(), "longer-"))];
    const short = await trainIn(one, device, options(4), parts, undefined, "four");
    const long = await trainIn(one, device, options(7), parts, undefined, "seven");
    const straight = await trainIn(one, device, options(7), whole, undefined, "seven");
    assert.equal(long.done.steps, 3);
    assert.deepEqual(weightsIn(parts, 7), weightsIn(whole, 7));
    assert.equal(long.tokens, straight.tokens);
    assert.equal(long.sampled, straight.sampled, "what it wrote in the shorter run is counted");
    if (short.sampled) assert.deepEqual(readdirSync(join(parts, "rollouts")).sort(), ["four", "seven"]);
  });

test("what a run of another length continues from is said exactly", () => {
  const constant = TrainerOptions.parse({ lr_scheduler_type: "constant", warmup_steps: 2 });
  const share = TrainerOptions.parse({ lr_scheduler_type: "constant", warmup_ratio: 0.5 });
  const said = (options: TrainerOptions, step: number, before: number, steps: number, beyond: number[] = []) =>
    describeContinuation({ step, steps: before }, beyond, steps, options);
  assert.equal(said(constant, 4, 10, 10), undefined, "a run that was killed");
  assert.match(said(constant, 10, 10, 20)!, /^Training continues from step 10 of 20; its learning rates were those of/);
  assert.match(said(share, 10, 10, 20)!, /the schedule is that of 20 steps from there on, and was that of 10 before/);
  assert.match(said(share, 8, 20, 8, [20])!, /had come to step 20, .* that of step 8; .* of a run of 20 steps\.$/);
  assert.match(describeContinuation(undefined, [9], 4, constant)!, /step 9, and is now to have 4; .* starts again\.$/);
  assert.equal(describeContinuation(undefined, [], 4, constant) || undefined, undefined);
});
