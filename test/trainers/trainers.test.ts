import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { estimate } from "../../src/compiler/memory.ts";
import { targets } from "../../src/compiler/targets.ts";
import { batchShape } from "../../src/data/batch.ts";
import { readLedger } from "../../src/data/ledger.ts";
import { rowsIn } from "../../src/data/traces.ts";
import { openDevice } from "../../src/runtime/device.ts";
import * as trainers from "../../src/trainers/index.ts";
import { compileTraining, lossAndGradients, resetMoments } from "../../src/trainers/program.ts";
import { testDevice } from "../support/finite-differences.ts";
import { stoppingAfter } from "../support/stopping.ts";
import { begin, CASES, optionsOf, trainIn } from "../support/trainers.ts";
import { ADAMW, gradientsOf, relativeDifference, TOY } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

test("every trainer is tried here", () => {
  const tried = new Set(Object.values(CASES).map(({ trainer }) => trainer));
  assert.deepEqual([...tried].sort(), Object.keys(trainers).sort());
});

/** The first step that is on all examples or all prompts: what it is minimised from, and its gradients. */
async function firstStep(name: string, more: object) {
  const one = CASES[name]!;
  const on = await testDevice();
  const options = optionsOf(one, { gradient_accumulation_steps: 8, max_steps: 3, ...more });
  const { course, model } = await begin(one, on, options);
  const { objective, source } = course;
  const { batches, tokens, supervised } = (await source.step(0))!;
  await resetMoments(on, model.parameters);
  const training = await compileTraining(on, model, objective, source.shape, ADAMW);
  const { loss, metrics, grad_norm } = await training.step(batches, { learning_rate: 0, max_grad_norm: 1 });
  await source.close?.();
  assert.ok(grad_norm > 0.01, `the gradient's norm is ${grad_norm}`);
  return { loss, metrics, tokens, supervised, batches, gradients: await gradientsOf(on, model) };
}

type FirstStep = Awaited<ReturnType<typeof firstStep>>;

function assertAlike(found: FirstStep, expected: FirstStep, what: string): void {
  assert.deepEqual([found.tokens, found.supervised], [expected.tokens, expected.supervised]);
  const near = (a: number, b: number) => Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(b));
  assert.ok(near(found.loss, expected.loss), `${what}: the loss is ${found.loss}, not ${expected.loss}`);
  for (const [name, value] of Object.entries(expected.metrics))
    assert.ok(near(found.metrics[name]!, value), `${what}: ${name} is ${found.metrics[name]}, not ${value}`);
  for (const [name, gradient] of expected.gradients)
    assert.ok(relativeDifference(found.gradients.get(name)!, gradient) <= 1e-4, `${what}: the gradient of ${name}`);
}

for (const name of Object.keys(CASES)) {
  test(`${name}: packed rows and accumulated micro-batches have the loss, the metrics and the gradients of rows of their own`, async () => {
    const apart = await firstStep(name, { packing: false });
    assert.equal(apart.batches.length, 1);
    const packed = await firstStep(name, { packing: true, per_device_train_batch_size: 1 });
    assert.ok(packed.batches.length < 5);
    assertAlike(packed, apart, "packed");
    const accumulated = await firstStep(name, { packing: false, per_device_train_batch_size: 1 });
    assert.ok(accumulated.batches.length >= 5);
    assertAlike(accumulated, apart, "accumulated");
  });

  test(`${name}: a run that is stopped and resumed is the uninterrupted run, bit for bit`, async () => {
    const one = CASES[name]!;
    const [whole, stopped] = [mkdtempSync(join(tmpdir(), "whole-")), mkdtempSync(join(tmpdir(), "stopped-"))];
    const options = optionsOf(one, {
      max_steps: 5,
      save_steps: 2,
      save_total_limit: 9,
      per_device_train_batch_size: 2,
    });
    const device = await testDevice();
    const { tokens, loss } = await trainIn(one, device, options, whole);
    assert.ok(Number.isFinite(loss) && tokens > 0);
    // killed in the fourth step, after what was drawn in it was kept
    cpSync(whole, stopped, { recursive: true });
    for (const step of [4, 5]) rmSync(join(stopped, "checkpoints", `step-${step}`), { recursive: true });
    assert.equal((await trainIn(one, device, options, stopped)).tokens, tokens);
    assert.deepEqual(leftIn(stopped), leftIn(whole));
    // stopped after the second step, before anything of the third was drawn
    const early = mkdtempSync(join(tmpdir(), "early-"));
    const first = await trainIn(one, device, options, early, stoppingAfter(2, early));
    assert.equal(first.step, 2);
    assert.equal((await trainIn(one, device, options, early)).tokens, tokens);
    assert.deepEqual(leftIn(early), leftIn(whole));
  });

  test(`${name}: logits never exist for more than a chunk`, async () => {
    const device = await testDevice();
    const one = CASES[name]!;
    const config = { ...TOY, vocab_size: 5000 };
    const { course, model } = await begin(one, device, optionsOf(one), { config });
    await course.source.close?.();
    const [rows, length] = [4, 64];
    const peak = (chunks: number) => {
      const shape = { ...batchShape(rows, length, 5000), chunks };
      const { loss, metrics, grads } = lossAndGradients(model, course.objective, shape, { rematerialize: true });
      const sizes = (size: string) => (size === "supervised" ? (rows * length) / chunks : rows * length);
      return estimate({ ...grads, loss, ...metrics }, targets.cpu, sizes).peak_bytes;
    };
    const whole = 4 * rows * length * 5000;
    assert.ok(peak(1) > whole, `${peak(1)} bytes at once`);
    assert.ok(peak(16) < 0.75 * whole, `${peak(16)} bytes in chunks, and all logits are ${whole}`);
  });

  test(
    `${name}: training on webgpu, no node on the CPU, is that on the CPU`,
    { skip: whyNoVulkan() ?? false },
    async () => {
      const one = CASES[name]!;
      // a software renderer computes what pads a batch, too
      const rows = { per_device_train_batch_size: 4, max_length: 32 };
      const options = optionsOf(one, { max_steps: 4, precision: "fp32", learning_rate: 1e-3, ...rows });
      const webgpu = await openDevice("webgpu", { strict: true });
      const lines: Record<string, number>[][] = [];
      for (const device of [await testDevice(), webgpu]) {
        const output = mkdtempSync(join(tmpdir(), "device-"));
        await trainIn(one, device, options, output);
        lines.push(metricsIn(output));
      }
      await webgpu.close();
      const [cpu, found] = lines as [Record<string, number>[], Record<string, number>[]];
      assert.equal(cpu.length, 4);
      for (const [i, line] of cpu.entries())
        for (const [metric, value] of Object.entries(line))
          assert.ok(
            Math.abs(found[i]![metric]! - value) <= 2e-4 * Math.max(1, Math.abs(value)),
            `step ${i + 1}: ${metric} is ${found[i]![metric]}, and ${value} on the CPU`,
          );
    },
  );
}

/** One line a step, without the times that it took. */
const metricsIn = (output: string): Record<string, number>[] =>
  readFileSync(join(output, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map(
      (line) =>
        Object.fromEntries(
          Object.entries(JSON.parse(line)).filter(([name]) => !/^seconds|_per_s$/.test(name)),
        ) as never,
    );

/** The last checkpoint, the metrics without the time that steps took, and what was drawn. */
function leftIn(output: string) {
  const last = join(output, "checkpoints", "step-5");
  const rollouts = [...readLedger(join(output, "rollouts", "a test"))].flatMap(({ table }) => [...rowsIn(table)]);
  return {
    files: ["model.safetensors", "optimizer.safetensors", "trainer.json"].map((file) => readFileSync(join(last, file))),
    metrics: metricsIn(output),
    rollouts,
  };
}

after(async () => (await testDevice()).close());
