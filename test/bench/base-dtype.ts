/**
 * @file node --expose-gc .build/test/bench/base-dtype.js TYPE: an adapter beside SmolLM2-135M with its weights in TYPE, two
 * steps on one row of 256 tokens with one thread.
 */

import { batchShape, layOut } from "../../src/data/batch.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import { BASE_DTYPES, type BaseDtype } from "../../src/models/storage.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { writeWeight } from "../../src/trainers/checkpoint.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { ADAMW } from "../support/training.ts";
import { SHAPES } from "./shapes.ts";

const base = process.argv[2] as BaseDtype;
if (!BASE_DTYPES.includes(base)) throw new Error(`Expected one of: ${BASE_DTYPES.join(", ")}.`);

const { config, lora } = SHAPES["SmolLM2-135M LoRA r16"]!;
const model = createModel(config, "SmolLM2-135M", { lora: LoraOptions.parse(lora), base: () => base });
const adapter = model.adapter!;
const device = await openDevice("cpu", { threads: 1 });
for (const weight of initialWeights(model, 1)) await writeWeight(device, model, weight);
const own = await device.states();
for (const weight of initialWeights({ ...model, ...adapter }, 1)) await writeWeight(device, model, weight);
await resetMoments(device, adapter.parameters);
(globalThis as { gc?: () => void }).gc?.();

const length = 256;
const shape = batchShape(1, length, config.vocab_size as number);
const training = await compileTraining(device, model, nextToken, shape, ADAMW, adapter.parameters);
const tokens = Array.from({ length }, (_, i) => (i * 37) % (config.vocab_size as number));
const batch = layOut([[{ tokens, supervised: tokens.map(() => true) }]], shape);
const used = process.cpuUsage();
const losses: number[] = [];
for (let step = 1; step <= 2; step++)
  losses.push((await training.step([batch], { learning_rate: 1e-4, max_grad_norm: 1 })).loss);
const { user, system } = process.cpuUsage(used);
const peak_rss_mb = Math.round(await device.peakMemory());
let bytes = 0;
for (const name of own) bytes += (await device.read(name)).data.byteLength;
const weights_mb = Math.round(bytes / 2 ** 20);
console.log(JSON.stringify({ base_dtype: base, weights_mb, peak_rss_mb, cpu_s: (user + system) / 2e6, losses }));
await device.close();
