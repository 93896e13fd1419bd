import assert from "node:assert/strict";
import { mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { seededRandom } from "../../src/core/random.ts";
import type { Exported } from "../../src/exporters/exporter.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { decodeGgml } from "../../src/formats/ggml.ts";
import { openGguf } from "../../src/formats/gguf-reader.ts";
import { interleaveHeads, separateHeads } from "../../src/models/gguf.ts";
import { createModel, ggufLayout, loadWeights, type ModelConfig, saveTensors } from "../../src/models/load.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { loadOnProcessor } from "../../src/teachers/llama-cpp/start.ts";
import { ourLogits, theirLogits, writeModel } from "../support/models.ts";
import { relativeDifference, TOY } from "../support/training.ts";

const folder = mkdtempSync(join(tmpdir(), "export-gguf-"));
let device: Device;
before(async () => {
  device = await openDevice("cpu", { threads: 1 });
});
after(() => device.close());

/** Its rows are more than one block: of one, llama.cpp's AMX kernels make NaN. */
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
  const { model } = await loadOnProcessor({ modelPath: path });
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

/** The weights of a GGUF file under their HF names, as a folder. */
async function readBack(path: string, config: ModelConfig, name: string): Promise<string> {
  const source = await writeModel(join(folder, name), config);
  const file = openGguf(path);
  const layout = new Map(ggufLayout(config, source).tensors.map((names) => [names.name, names]));
  const parameters = createModel(config, source).parameters;
  await saveTensors(join(source, "model.safetensors"), parameters, async (weight) => {
    const { gguf, interleavedHeads } = layout.get(weight)!;
    const { type, shape } = file.tensors.get(gguf)!;
    const data = decodeGgml(
      type,
      file.read(gguf),
      shape.reduce((a, b) => a * b),
    )!;
    return interleavedHeads ? separateHeads(data, interleavedHeads, shape[0]!) : data;
  });
  file.close();
  return source;
}

test("smaller types compute what their rounded weights say, and take less room", async () => {
  const { source, files } = await exported(WIDE, ["f16", "bf16", "q8_0", "q4_0"], "types");
  const exact = await ourLogits(device, source, WIDE, tokens);
  // llama.cpp rounds activations too: to halves, and to eight bits before a quantised product
  const near = { "gguf-f16": 2e-3, "gguf-bf16": 2e-2, "gguf-q8_0": 5e-2, "gguf-q4_0": 5e-2 };
  for (const { name, path, notes } of files) {
    const theirs = await llamaCppLogits(path);
    const rounded = await ourLogits(device, await readBack(path, WIDE, name), WIDE, tokens);
    const difference = relativeDifference(theirs, rounded);
    assert.ok(difference < near[name as keyof typeof near], `${name}: ${difference} from its rounded weights`);
    const distance = relativeDifference(theirs, exact);
    assert.ok(distance > 0 && distance < 0.5, `${name}: ${distance} from the exact weights`);
    assert.equal(notes, undefined);
  }
  assert.ok(files[3]!.bytes < files[2]!.bytes && files[2]!.bytes < files[0]!.bytes);
});

test("rows that blocks do not divide are kept in half precision, and the exporter says so", async () => {
  const config = { ...TOY, hidden_size: 64 };
  const { source, files } = await exported(config, ["q8_0"], "odd");
  assert.deepEqual(files[0]!.notes, [
    "blk.0.ffn_down.weight and 1 more: F16 in place of Q8_0, since rows of 48 are no multiple of 32.",
  ]);
  const difference = relativeDifference(
    await llamaCppLogits(files[0]!.path),
    await ourLogits(device, source, config, tokens),
  );
  assert.ok(difference < 2e-2, `${difference}`);
});

test("weights that a type cannot hold are refused, and no file is left", async () => {
  for (const [value, message] of [
    [Number.NaN, /"model\.norm\.weight" holds NaN/],
    [1e9, /"model\.layers\.1\.mlp\.down_proj\.weight" holds 1000000000, and F16 ends at 65504/],
  ] as const) {
    const source = await writeModel(join(folder, `bad-${value}`), TOY);
    const model = createModel(TOY, source);
    const weights = new Map([...loadWeights(source, model)].map(({ name, data }) => [name, data]));
    weights.get(Number.isNaN(value) ? "model.norm.weight" : "model.layers.1.mlp.down_proj.weight")![5] = value;
    await saveTensors(join(source, "model.safetensors"), model.parameters, async (name) => weights.get(name)!);
    const output = join(folder, `bad-${value}-gguf`);
    await assert.rejects(
      gguf.create({ types: ["f16"] })({ folder: source }, output),
      (error) => error instanceof DistillError && message.test(error.message),
    );
    assert.deepEqual(readdirSync(output), []);
  }
});

test("heads are put in llama.cpp's order and back without a loss", () => {
  const rows = Float32Array.from({ length: 8 * 3 }, (_, i) => i);
  const interleaved = interleaveHeads(rows, 2, 8);
  // two heads of four rows: 0 1 | 2 3 become 0 2 1 3
  assert.deepEqual(
    Array.from({ length: 8 }, (_, i) => interleaved[3 * i]! / 3),
    [0, 2, 1, 3, 4, 6, 5, 7],
  );
  assert.deepEqual(separateHeads(interleaved, 2, 8), rows);
});
