import assert from "node:assert/strict";
import { test } from "node:test";
import { input } from "../../src/graph/value.ts";
import type * as families from "../../src/models/index.ts";
import { Add, Expand } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { extent } from "../support/extent.ts";
import {
  batchOf,
  compileFor,
  losses,
  prepare,
  relativeDifference,
  segment,
  TOY,
  TWO_LAYERS,
} from "../support/training.ts";
import { whyNoHalfVulkan, whyNoVulkan } from "../support/vulkan.ts";

const skip = whyNoVulkan() ?? false;
/** SwiftShader takes minutes for what lavapipe does in seconds. */
const skipLarge = skip || whyNoHalfVulkan() || false;
const rows = [
  [segment(1, 20, 5), segment(2, 9, 3)],
  [segment(3, 14, 1), segment(4, 5, 2)],
];

for (const [steps, name, config, learning_rate, batch, skipped] of [
  [20, "the toy", TOY, 3e-3, batchOf(rows, 32, 40, 32), skip],
  [
    extent(2, 6),
    "two layers of SmolLM2-135M's shape",
    TWO_LAYERS,
    1e-4,
    batchOf([[segment(1, 9, 3), segment(2, 7, 2)]], 16),
    skipLarge,
  ],
] as const)
  test(
    `${steps} steps of ${name} on webgpu, no node on the CPU, have the losses of the CPU`,
    { skip: skipped },
    async () => {
      const both: number[][] = [];
      for (const device of [await openDevice("cpu"), await openDevice("webgpu", { strict: true })]) {
        both.push(await losses(device, config, batch, { steps, learning_rate }));
        await device.close();
      }
      const [cpu, webgpu] = both as [number[], number[]];
      for (const [i, loss] of cpu.entries())
        assert.ok(Math.abs(loss - webgpu[i]!) <= 1e-3, `step ${i + 1}: cpu ${loss}, webgpu ${webgpu[i]}`);
      assert.ok(webgpu.at(-1)! < webgpu[0]! - 0.3, `the loss fell from ${webgpu[0]} to ${webgpu.at(-1)}`);
    },
  );

const FAMILIES: Record<keyof typeof families, object> = {
  llama: {},
  qwen2: { tie_word_embeddings: false },
  qwen3: { head_dim: 16 },
  gemma3_text: { head_dim: 16, sliding_window: 8, sliding_window_pattern: 2, query_pre_attn_scalar: 16 },
};

for (const [model_type, changes] of Object.entries(FAMILIES))
  test(
    `${model_type}: weights and moments on webgpu are the CPU's, with blocks of attention and two micro-batches, kept, computed again, or layer by layer`,
    { skip },
    async () => {
      const read = async (name: "cpu" | "webgpu", again = false, rematerialize = false) => {
        const device = await openDevice(name, { strict: true, recompute: { webgpu: again } });
        const model = await prepare(device, { ...TOY, ...changes, model_type });
        const batch = batchOf(rows, 32, 40, 16);
        const training = await compileFor(device, model, batch, { rematerialize });
        for (let step = 1; step <= 3; step++)
          await training.step([batch, batch], { learning_rate: 3e-3, max_grad_norm: 1 });
        const states = new Map<string, Float32Array>();
        for (const { name } of model.parameters)
          for (const state of [name, `m/${name}`, `v/${name}`]) states.set(state, (await training.read(state)).slice());
        await training.release();
        for (const { name } of model.parameters)
          assert.deepEqual((await device.read(name)).data, states.get(name), `${name} is left as a state`);
        await device.close();
        return states;
      };
      const cpu = await read("cpu");
      for (const [way, again, rematerialize] of [
        ["kept", false, false],
        ["computed again", true, false],
        ["layer by layer", true, true],
      ] as const) {
        const webgpu = await read("webgpu", again, rematerialize);
        for (const [name, values] of cpu) {
          const far = relativeDifference(webgpu.get(name)!, values);
          // scores hardly change with a key's bias: its gradient is little but rounding, of which a step of Adam makes much
          assert.ok(far < (name.endsWith("k_proj.bias") ? 1e-2 : 1e-3), `${name}, ${way}: ${far}`);
        }
      }
    },
  );

const STEPS = extent(160, 400);

test(`${STEPS} steps on webgpu do not grow the process`, { skip }, async () => {
  const device = await openDevice("webgpu", { strict: true });
  const model = await prepare(device, { ...TOY, num_hidden_layers: 1 });
  const batch = batchOf([[segment(1, 8, 2)]], 8);
  const training = await compileFor(device, model, batch);
  let after100 = 0;
  for (let step = 1; step <= STEPS; step++) {
    if (step % 10 !== 0) await training.ask([batch], { learning_rate: 1e-4, max_grad_norm: 1 });
    else await training.step([batch], { learning_rate: 1e-4, max_grad_norm: 1 });
    if (step === 100) after100 = process.memoryUsage().rss;
  }
  const growth = (process.memoryUsage().rss - after100) / 2 ** 20;
  const most = 0.15 * (STEPS - 100);
  assert.ok(growth < most, `the process grew by ${growth.toFixed(1)} MiB between steps 100 and ${STEPS}`);
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

test("a tensor that no buffer holds is refused in a sentence, and the device goes on", { skip }, async () => {
  const device = await openDevice("webgpu", { strict: true });
  const one = { x: tensor("float32", [1], [1]) };
  const shape = [2 ** 31]; // 8 GiB; a binding has at most 4
  const program = await device.compile({ y: Expand(input("x", "float32", [1]), { shape }) }, { keep: ["y"] });
  await assert.rejects(
    program.run(one),
    /^DistillError: The program cannot run on this device: .*MiB|binds to one kernel/,
  );
  const small = await device.compile({ y: Add(input("x", "float32", [1]), input("x", "float32", [1])) });
  assert.deepEqual(toNumbers((await small.run(one)).y!), [2]);
  await device.close();
});
