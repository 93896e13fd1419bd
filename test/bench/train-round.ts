/** @file One shape in a process of its own: for every line on stdin, time a round of steps and print what it gave. */

import { createInterface } from "node:readline";
import { seededRandom } from "../../src/core/random.ts";
import { batchShape, layOut } from "../../src/data/batch.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import type { Parameter } from "../../src/models/model.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { measureMatMul } from "../../src/runtime/probe.ts";
import { writeWeight } from "../../src/trainers/checkpoint.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { SHAPES } from "./shapes.ts";

const name = process.argv[2]!;
const threads = Number(process.argv[3] ?? 0);
const { config, rows, length, rematerialize = false, lora, steps } = SHAPES[name]!;
const profile = process.env.DISTILL_PROFILE;

const model = createModel(config, name, lora ? { lora: LoraOptions.parse(lora) } : {});
const { adapter } = model;
const trained = adapter?.parameters ?? model.parameters;
const sizeOf = (parameters: readonly Parameter[]) =>
  parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
const params = sizeOf(model.parameters);
const device = await openDevice("cpu", { threads, ...(profile ? { profile } : {}) });
for (const weight of initialWeights(model, 1)) await writeWeight(device, model, weight);
if (adapter) for (const weight of initialWeights({ ...model, ...adapter }, 1)) await writeWeight(device, model, weight);
await resetMoments(device, trained);
const vocab = config.vocab_size as number;
const shape = batchShape(rows, length, vocab);
const adamW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, rematerialize };
const training = await compileTraining(device, model, nextToken, shape, adamW, trained);
const random = seededRandom(1);
const row = () => ({
  tokens: Array.from({ length }, () => random.below(vocab)),
  supervised: new Array<boolean>(length).fill(true),
});
const batch = layOut(
  Array.from({ length: rows }, () => [row()]),
  shape,
);

// 6 for each weight and token, 4 where it is frozen; causal attention multiplies half of each length × length product, 3 times 2 of them a head
const tokens = rows * length;
const width = config.hidden_size as number;
const flops =
  tokens *
  ((adapter ? 4 * params + 6 * sizeOf(trained) : 6 * params) +
    6 * (config.num_hidden_layers as number) * width * length);

async function train(): Promise<number> {
  return (await training.step([batch], { learning_rate: 1e-4, max_grad_norm: 1 })).loss;
}

await train();
await train();
for await (const _ of createInterface(process.stdin)) {
  const before = await measureMatMul(device, { runs: 15 });
  const used = process.cpuUsage();
  const start = performance.now();
  let loss = 0;
  for (let i = 0; i < steps; i++) loss = await train();
  const seconds = (performance.now() - start) / 1000 / steps;
  const { user, system } = process.cpuUsage(used);
  const after = await measureMatMul(device, { runs: 15 });
  const gflops = flops / seconds / 1e9;
  const matmul_gflops = (before + after) / 2;
  const round = {
    params,
    tokens_per_s: tokens / seconds,
    gflops,
    matmul_gflops,
    of_matmul: gflops / matmul_gflops,
    peak_rss_mb: await device.peakMemory(),
    cpu_s: (user + system) / 1e6 / steps,
    loss,
    nodes: training.nodes,
  };
  console.log(JSON.stringify(round));
}
await device.close();
