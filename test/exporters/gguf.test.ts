import assert from "node:assert/strict";
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { seededRandom } from "../../src/core/random.ts";
import type { Exported } from "../../src/exporters/exporter.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import type { ModelConfig } from "../../src/models/load.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { ourLogits, testLlama, theirLogits, writeModel } from "../support/models.ts";
import { relativeDifference, TOY } from "../support/training.ts";

const folder = mkdtempSync(join(tmpdir(), "export-gguf-"));
let device: Device;
before(async () => {
  device = await openDevice("cpu", { threads: 1 });
});
after(() => device.close());

const WIDE: ModelConfig = { ...TOY, hidden_size: 64, intermediate_size: 96 };
const MODELS: Record<string, ModelConfig> = {
  "grouped heads and a tied head": TOY,
  "a head of its own": { ...TOY, tie_word_embeddings: false },
  "as many keys as queries": { ...TOY, num_key_value_heads: 4, rms_norm_eps: 1e-5 },
  "heads wider than the model": { ...TOY, head_dim: 16, rope_theta: 500_000 },
  "Llama 3.1's rotary scaling": {
    ...TOY,
    head_dim: 32,
    rope_theta: 10_000,
    rope_scaling: {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    },
  },
};

const random = seededRandom(5);
const tokens = Array.from({ length: 60 }, () => random.below(40));

type Type = Parameters<typeof gguf.create>[0]["types"][number];
async function exported(
  config: ModelConfig,
  types: Type[],
  name: string,
): Promise<{ source: string; files: Exported[] }> {
  const source = await writeModel(join(folder, name), config);
  return { source, files: await gguf.create({ types })({ folder: source }, join(folder, `${name}-gguf`)) };
}

async function llamaCppLogits(path: string): Promise<Float32Array> {
  const model = await (await testLlama()).loadModel({ modelPath: path });
  const logits = await theirLogits(model, tokens, 40);
  await model.dispose();
  return logits;
}

for (const [i, [name, config]] of Object.entries(MODELS).entries())
  test(`llama.cpp computes the same logits for a model with ${name}`, async () => {
    const { source, files } = await exported(config, ["f32"], `model-${i}`);
    assert.deepEqual(readdirSync(join(folder, `model-${i}-gguf`)), ["model-f32.gguf"]);
    const ours = await ourLogits(device, source, config, tokens);
    const theirs = await llamaCppLogits(files[0]!.path);
    const largest = ours.reduce((max, x, k) => Math.max(max, Math.abs(x - theirs[k]!)), 0);
    assert.ok(largest < 1e-4, `the largest difference is ${largest}`);
  });

test("smaller types stay near, the nearer the more bits they have", async () => {
  const { source, files } = await exported(WIDE, ["f16", "bf16", "q8_0", "q4_0"], "types");
  const ours = await ourLogits(device, source, WIDE, tokens);
  const near = { "gguf-f16": 2e-3, "gguf-bf16": 2e-2, "gguf-q8_0": 5e-2, "gguf-q4_0": 0.3 };
  for (const { name, path, notes } of files) {
    const difference = relativeDifference(await llamaCppLogits(path), ours);
    assert.ok(difference > 0 && difference < near[name as keyof typeof near], `${name}: ${difference}`);
    assert.equal(notes, undefined);
  }
  assert.ok(files[3]!.bytes < files[2]!.bytes && files[2]!.bytes < files[0]!.bytes);
});

test("rows that blocks do not divide are kept in half precision, and the exporter says which", async () => {
  const { source, files } = await exported(TOY, ["q8_0"], "odd");
  assert.deepEqual(files[0]!.notes, [
    "blk.0.ffn_down.weight is kept as F16: its rows of 48 are no multiple of 32.",
    "blk.1.ffn_down.weight is kept as F16: its rows of 48 are no multiple of 32.",
  ]);
  const difference = relativeDifference(
    await llamaCppLogits(files[0]!.path),
    await ourLogits(device, source, TOY, tokens),
  );
  assert.ok(difference < 2e-2, `${difference}`);
});
