import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { seededRandom } from "../../src/core/random.ts";
import { inMemory, type Segments } from "../../src/data/example-store.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import type { Parameter } from "../../src/models/model.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { plainRunFolder } from "../../src/store/run-folder.ts";
import { trainedPart } from "../../src/student/trained.ts";
import { sft } from "../../src/trainers/sft.ts";
import { trainWith } from "../../src/trainers/trainer.ts";
import { extent } from "../support/extent.ts";
import { segment, TOY } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const skip = whyNoVulkan() ?? false;

/** Large enough on the CPU for a step to take milliseconds, as one of the toy does on a software renderer. */
const SIZES = {
  cpu: { config: { ...TOY, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 3 }, length: 64 },
  webgpu: { config: TOY, length: 16 },
};
const texts = (count: number, seed: number, length: number) =>
  inMemory(Array.from({ length: count }, (_, i) => segment(i + seed, Math.round(length * (0.6 + 0.05 * (i % 8))), 2)));

/** Train in a folder, which may hold checkpoints, until a signal says stop. */
async function train(
  device: Device,
  output: string,
  interrupted?: { step: number; after: number },
  measuring: (stop: () => void) => void = () => {},
) {
  const { config, length } = SIZES[device.name as keyof typeof SIZES];
  const segments = texts(12, 1, length);
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let left = (interrupted?.step ?? 0) * 4; // rows of a step
  const read: Segments = {
    ...segments,
    at(i) {
      if (interrupted && left-- === 0) timer = setTimeout(() => controller.abort(), interrupted.after);
      return segments.at(i);
    },
  };
  const model = createModel(config, "The test's config");
  const weights = (parameters: readonly Parameter[]) => initialWeights({ ...model, parameters }, 3);
  const trained = trainedPart(model, config);
  const options = sft.options.parse({
    learning_rate: 1e-2,
    max_steps: 12,
    per_device_train_batch_size: 2,
    gradient_accumulation_steps: 2,
    max_length: length,
    packing: false,
    save_steps: 4,
    logging_steps: 1,
    eval_steps: 3,
  });
  const { signal } = controller;
  const folder = plainRunFolder(output);
  const run = { device, model, trained, weights, folder, fingerprint: "a test", silent: true, signal };
  const unmeasured = texts(4, 51, length);
  const validation: Segments = {
    ...unmeasured,
    at(i) {
      measuring(() => controller.abort());
      return unmeasured.at(i);
    },
  };
  const result = await trainWith(sft, options, run, { segments: read, validation });
  clearTimeout(timer);
  const bytes: Buffer[] = [];
  for (const { name } of trained.parameters)
    bytes.push(Buffer.from(((await device.read(name)).data as Float32Array).slice().buffer));
  const metrics = join(output, "metrics.jsonl");
  const lines = existsSync(metrics) ? readFileSync(metrics, "utf8").trim().split("\n") : [];
  const measured = lines.map((line) => JSON.parse(line));
  const log = measured.map((line) => ({ ...line, tokens_per_s: undefined }));
  return { bytes, log, result, speeds: measured.map(({ tokens_per_s }) => tokens_per_s ?? 0) };
}

/** Attempts to stop a run in the middle of it, after which it is left alone. */
const TRIES = extent(8, 20);
const folder = () => mkdtempSync(join(tmpdir(), "interrupted-"));

for (const [name, open, settings] of [
  ["cpu", () => openDevice("cpu"), {}],
  ["cpu with states as a GPU has them", () => openDevice("cpu", { residency: "device" }), {}],
  ["webgpu", () => openDevice("webgpu", { strict: true }), { skip }],
] as const)
  test(
    `${name}: a run that is interrupted anywhere in its steps ends as the one that was not, bit for bit`,
    settings,
    async () => {
      const device = await open();
      const whole = await train(device, folder());
      const { tokens, steps } = whole.result.done;
      // the fastest, since the first waits for shaders, and others for whatever else the machine does
      const step = (1000 * tokens) / steps / Math.max(...whole.speeds); // ms
      const random = seededRandom(5);
      const output = folder();
      let stops = 0;
      for (let tries = 0; ; tries++) {
        const after = step * 1.1 * random.uniform(); // ms
        const { result } = await train(
          device,
          output,
          tries < TRIES ? { step: Number(tries % 3 === 2), after } : undefined,
        );
        if (!result.stopped) break;
        stops++;
      }
      const again = await train(device, output);
      assert.deepEqual(again.bytes, whole.bytes);
      assert.deepEqual(again.log, whole.log);
      assert.ok(stops >= 6, `stopped ${stops} times`);
      await device.close();
    },
  );

test("a run that goes on spells products as it began, whatever was measured since", { skip }, async () => {
  const device = await openDevice("webgpu", { strict: true });
  const [began, since] = [
    { forward: "Transpose", weight_gradient: "Gemm" },
    { forward: "Gemm", weight_gradient: "Transpose" },
  ] as const;
  device.spell(began);
  const whole = await train(device, folder());
  const output = folder();
  const { result } = await train(device, output, { step: 6, after: 1 });
  assert.ok(result.stopped);
  device.spell(since);
  const again = await train(device, output);
  assert.deepEqual(device.spelling, began);
  assert.deepEqual(again.bytes, whole.bytes);
  await device.close();
});

test("a run that is stopped while it is measured for the last time is not done, and is measured when it goes on", async () => {
  const device = await openDevice("cpu");
  let reads = 0;
  const whole = await train(device, folder(), undefined, () => {
    reads++;
  });
  const output = folder();
  const stopped = await train(device, output, undefined, (stop) => {
    if (--reads === 0) stop();
  });
  assert.deepEqual([stopped.result.step, stopped.result.stopped], [12, true]);
  const again = await train(device, output);
  assert.equal(again.result.stopped, false);
  assert.deepEqual(again.bytes, whole.bytes);
  assert.deepEqual(again.log, whole.log);
  await device.close();
});
