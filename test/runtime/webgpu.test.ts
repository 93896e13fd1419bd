import assert from "node:assert/strict";
import { test } from "node:test";
import { input } from "../../src/graph/value.ts";
import { Add } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { batchOf, compileFor, prepare, segment } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const skip = whyNoVulkan() ?? false;
const rows = [
  [segment(1, 20, 5), segment(2, 9, 3)],
  [segment(3, 14, 1), segment(4, 5, 2)],
];

test("20 steps on webgpu, no node on the CPU, have the losses of the CPU", { skip }, async () => {
  const losses: number[][] = [];
  for (const name of ["cpu", "webgpu"] as const) {
    const device = await openDevice(name, { strict: true });
    const model = await prepare(device);
    const batch = batchOf(rows, 32, 40, 16);
    const training = await compileFor(device, model, batch);
    const all: number[] = [];
    for (let step = 1; step <= 20; step++) {
      all.push((await training.step([batch], { step, learning_rate: 3e-3, max_grad_norm: 1 })).loss);
    }
    losses.push(all);
    await device.close();
  }
  const [cpu, webgpu] = losses as [number[], number[]];
  for (const [i, loss] of cpu.entries())
    assert.ok(Math.abs(loss - webgpu[i]!) <= 1e-3, `step ${i + 1}: cpu ${loss}, webgpu ${webgpu[i]}`);
  assert.ok(webgpu.at(-1)! < webgpu[0]! - 0.3, `the loss fell from ${webgpu[0]} to ${webgpu.at(-1)}`);
});

test("200 steps on webgpu do not grow the process", { skip }, async () => {
  const device = await openDevice("webgpu", { strict: true });
  const model = await prepare(device);
  const batch = batchOf([[segment(1, 8, 2)]], 8);
  const training = await compileFor(device, model, batch);
  let after50 = 0;
  for (let step = 1; step <= 200; step++) {
    await training.step([batch], { step, learning_rate: 1e-4, max_grad_norm: 1 });
    if (step === 50) after50 = process.memoryUsage().rss;
  }
  const growth = (process.memoryUsage().rss - after50) / 2 ** 20;
  assert.ok(growth < 30, `the process grew by ${growth.toFixed(1)} MiB between steps 50 and 200`);
  await device.close();
});

test("states on webgpu are read back, replaced and forgotten safely, in any order", { skip }, async () => {
  const device = await openDevice("webgpu", { strict: true });
  const x = input("x", "float32", [2]);
  const program = await device.compile({ y: Add(x, x) }, { keep: ["y"] });
  await device.write("x", tensor("float32", [2], [1, 2]));
  for (let i = 0; i < 5; i++) await program.run({}, { writes: { y: "x" } });
  assert.deepEqual(toNumbers(await device.read("x")), [32, 64]);
  await program.release(); // its output is still a state
  assert.deepEqual(toNumbers(await device.read("x")), [32, 64]);
  await device.forget("x");
  await assert.rejects(device.read("x"), /"x", which is neither fed nor among the device's states/);
  await device.close();
});
