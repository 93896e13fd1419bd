import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { emit } from "../../src/compiler/emit.ts";
import { keeping, sparing, spellingOf, targets } from "../../src/compiler/targets.ts";
import type { BatchShape } from "../../src/data/batch.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { lossAndGradients } from "../../src/trainers/program.ts";
import { nextToken, nextTokenFeeds } from "../../src/trainers/supervised.ts";
import { countKernelsOf, kindsOfStep } from "../bench/kernels.ts";
import { GPU_SHAPES, SHAPES } from "../bench/shapes.ts";
import { batchOf, compileFor, prepare, relativeDifference, segment, TOY } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const skip = whyNoVulkan() ?? false;

test("the kernels that a step is said to launch are those that ONNX Runtime's profile counts", { skip }, async () => {
  const counts: number[] = [];
  let said = 0;
  for (const steps of [1, 3]) {
    const folder = mkdtempSync(join(tmpdir(), "profile-"));
    const device = await openDevice("webgpu", { strict: true, profile: join(folder, "run") });
    device.spell(spellingOf(targets.webgpu)); // whatever was measured here
    // as many matrices as adapters that bind no more than they must join in as many kernels as others do
    const model = await prepare(device, { ...TOY, num_hidden_layers: 4, tie_word_embeddings: false });
    const batch = batchOf([[segment(1, 14, 5), segment(2, 15, 3)]], 32, 40, 16);
    const training = await compileFor(device, model, batch);
    for (let step = 1; step <= steps; step++)
      await training.ask([batch, batch], { learning_rate: 1e-3, max_grad_norm: 1 });
    await training.report();
    said = Object.values(training.kernels(2)).reduce((a, b) => a + b);
    await device.close();
    counts.push(readdirSync(folder).reduce((sum, file) => sum + launched(join(folder, file)), 0));
  }
  assert.equal(said, (counts[1]! - counts[0]!) / 2);
});

test("a step of SmolLM2-135M's shape is at most so many kernels on WebGPU, and a micro-batch so many nodes on CUDA", async () => {
  const [two, four] = [SHAPES["SmolLM2-135M"]!, GPU_SHAPES["SmolLM2-135M"]!]; // rows of 1024
  for (const [shape, target, precision, most] of [
    [two, targets.webgpu, "fp32", 2110],
    [four, targets.webgpu, "fp32", 2985],
    [four, targets.webgpu, "fp16", 3510],
    [four, keeping(targets.webgpu), "fp32", 2740],
  ] as const) {
    const { step, kernels } = await kindsOfStep(shape, target, precision);
    assert.ok(step <= most && step > kernels, `webgpu ${precision}: ${step} of ${most}`);
  }
  for (const [precision, most] of [
    ["fp32", 2440],
    ["fp16", 2630],
  ] as const) {
    const { nodes } = await kindsOfStep(four, { ...targets.cuda, residency: "device" }, precision);
    assert.ok(nodes <= most, `cuda ${precision}: ${nodes} of ${most}`);
  }
});

test("a step of two micro-batches of SmolLM2-135M's shape is at most so many kernels on WebGPU", async () => {
  const counts = await countKernelsOf(SHAPES["SmolLM2-135M"]!, 2);
  const most = { "now, fp32": 4000, "now, fp32, keeping": 3700, "now, fp16": 5020, "now, fp16, keeping": 4600 };
  for (const [emission, allowed] of Object.entries(most)) {
    const { total } = counts.find((count) => count.emission === emission)!;
    assert.ok(total <= allowed, `${emission}: ${total} of ${allowed}`);
  }
});

test("no score of attention is larger than what WebGPU binds, and keys that no query of a block may see are not read", async () => {
  const shape = GPU_SHAPES["SmolLM2-135M"]!;
  const { moved_gb, tflop } = await kindsOfStep(shape, targets.webgpu, "fp32");
  const whole = { ...targets.webgpu, pieces: { ...targets.webgpu.pieces!, whole: Number.POSITIVE_INFINITY } };
  const uncut = await kindsOfStep(shape, whole, "fp32");
  assert.ok(moved_gb < 0.75 * uncut.moved_gb, `${moved_gb} GB of ${uncut.moved_gb}`);
  assert.ok(tflop < 0.95 * uncut.tflop, `${tflop} TFLOP of ${uncut.tflop}`);
});

const EMITTED = {
  "CUDA, keeping": targets.cuda,
  "CUDA, sparing": sparing(targets.cuda),
  "WebGPU, keeping": keeping(targets.webgpu),
  "WebGPU, sparing": targets.webgpu,
};
for (const [name, target] of Object.entries(EMITTED))
  test(`a program for ${name}, is one that ONNX Runtime loads, with the CPU's gradients`, async () => {
    const device = await openDevice("cpu", { threads: 1 });
    const model = await prepare(device);
    const batch = batchOf([[segment(1, 20, 5), segment(2, 9, 3)], [segment(3, 14, 1)]], 32, 40, 16);
    const outputs = (shape: BatchShape) => {
      const { loss, grads } = lossAndGradients(model, nextToken, shape);
      return { ...grads, loss };
    };
    const few = outputs({ ...batch.shape, fewKernels: true });
    const path = join(mkdtempSync(join(tmpdir(), "cuda-")), "model.onnx");
    writeFileSync(path, emit(few, target).bytes);
    const feeds = nextTokenFeeds(batch, 0.1);
    const expected = await (await device.compile(outputs(batch.shape))).run(nextTokenFeeds(batch, 0.1));
    for (const { name } of model.parameters) feeds[name] = await device.read(name);
    const found = await (await device.load(path)).run(feeds);
    for (const [name, { data }] of Object.entries(expected)) {
      const [one, other] = [data as Float32Array, found[name]!.data as Float32Array];
      assert.ok(relativeDifference(other, one) < 1e-5, name);
    }
    await device.close();
  });

/** The kernels of a profile: what ran on the GPU has events of its own. */
function launched(path: string): number {
  const events = JSON.parse(readFileSync(path, "utf8")) as { cat: string; name: string }[];
  // copies of what is fed, and of small states to where they were, are nobody's program
  return events.filter(({ cat, name }) => cat === "Api" && !/\bcopy\b/.test(name)).length;
}
