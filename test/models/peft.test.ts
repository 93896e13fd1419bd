import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  loadAdapter,
  mergedWeights,
  readAdapterOptions,
} from "../../src/models/adapter-folder.ts";
import { createModel, loadWeights, type ModelConfig, saveTensors } from "../../src/models/load.ts";
import { trainedPart } from "../../src/student/trained.ts";
import { readerOf, saveTrained, writeWeight } from "../../src/trainers/checkpoint.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { testDevice } from "../support/finite-differences.ts";
import { logitsOf, prepareLora } from "../support/lora.ts";
import { scratch } from "../support/students.ts";
import { ADAMW, batchOf } from "../support/training.ts";

type Case = {
  config: ModelConfig;
  adapter: { config: object; safetensors: string };
  rows: number[][];
  prompts: number[];
  logits: string;
  losses: number[];
};
type Reference = {
  optimizer: {
    learning_rate: number;
    weight_decay: number;
    beta1: number;
    beta2: number;
    epsilon: number;
    max_grad_norm: number;
  };
  cases: Record<string, Case>;
};
const reference = JSON.parse(readFileSync("test/reference/peft_lora.json", "utf8")) as Reference;
const folder = scratch();
const VOCAB = 40;

/** The same sines as in peft_lora.py. */
function weight(name: string, shape: readonly number[]): Float32Array {
  const phase = [...name].reduce((sum, c) => sum + c.charCodeAt(0), 0) % 97;
  const scale = 0.8 / Math.sqrt(shape.at(-1)!);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
    const sine = Math.sin(0.7 * i + phase);
    return shape.length === 1 ? 1 + 0.1 * sine : sine * scale;
  });
}

/** The case's base model and its adapter as folders. */
async function folders(name: string, { config, adapter }: Case): Promise<{ base: string; adapted: string }> {
  const [base, adapted] = ["base", "adapter"].map((kind) => join(folder, name.replaceAll(/\W+/g, "-"), kind));
  for (const path of [base, adapted]) mkdirSync(path!, { recursive: true });
  const { parameters } = createModel(config, name);
  const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
  await saveTensors(join(base!, "model.safetensors"), parameters, async (name) => weight(name, shapes.get(name)!));
  writeFileSync(join(base!, "config.json"), JSON.stringify(config));
  writeFileSync(join(adapted!, ADAPTER_CONFIG), JSON.stringify(adapter.config));
  writeFileSync(join(adapted!, ADAPTER_WEIGHTS), Buffer.from(adapter.safetensors, "base64"));
  return { base: base!, adapted: adapted! };
}

function floats(bytes: Buffer): Float32Array {
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

function assertNear(found: Float32Array, expected: Float32Array, limit = 1e-4): void {
  const difference = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - found[i]!)), 0);
  assert.ok(difference < limit, `${difference}`);
}

for (const [name, reference_] of Object.entries(reference.cases)) {
  const { config, rows, prompts, logits, losses } = reference_;

  for (const rematerialize of [false, true])
    test(`${name}${rematerialize ? ", layers rematerialised" : ""}: an adapter of PEFT's says here what it says there, and 10 steps of it have the same losses`, async () => {
      const device = await testDevice();
      const { base, adapted } = await folders(name, reference_);
      const model = createModel(config, name, { lora: readAdapterOptions(adapted) });
      for (const weight of loadWeights(base, model)) await writeWeight(device, model, weight);
      for (const weight of loadAdapter(adapted, model.adapter!)) await writeWeight(device, model, weight);
      const alone = batchOf([[{ tokens: rows[0]!, supervised: [] }]], rows[0]!.length, VOCAB);
      const expected = floats(Buffer.from(logits, "base64"));
      assertNear(await logitsOf(device, model, alone), expected);

      const merged = createModel(config, name);
      for (const weight of mergedWeights(loadWeights(base, merged), adapted, model.adapter!))
        await writeWeight(device, merged, weight);
      assertNear(await logitsOf(device, merged, alone), expected);
      for (const weight of loadWeights(base, model)) await writeWeight(device, model, weight);

      const batch = batchOf(
        rows.map((tokens, r) => [{ tokens, supervised: tokens.map((_, i) => i >= prompts[r]!) }]),
        rows[0]!.length,
        VOCAB,
        10,
      );
      const { learning_rate, max_grad_norm, ...options } = reference.optimizer;
      const { parameters } = model.adapter!;
      await resetMoments(device, parameters);
      const adamW = { ...ADAMW, ...options, rematerialize };
      const training = await compileTraining(device, model, nextToken, batch.shape, adamW, parameters);
      for (const [i, expected] of losses.entries()) {
        const { loss } = await training.step([batch], { learning_rate, max_grad_norm });
        assert.ok(Math.abs(loss - expected) <= 1e-4 * expected, `step ${i + 1}: loss ${loss}, PEFT ${expected}`);
      }
    });
}

const PYTHON = ".venv/bin/python";
const missing = () => {
  if (!existsSync(PYTHON)) return `needs ${PYTHON}`;
  try {
    execFileSync(PYTHON, ["-c", "import importlib.util as u; assert all(map(u.find_spec, ('peft', 'transformers')))"]);
    return false;
  } catch {
    return `needs peft and transformers in ${PYTHON}`;
  }
};

test("PEFT loads an adapter that is written here, and it says the same there", { skip: missing() }, async () => {
  const device = await testDevice();
  const { config, rows } = reference.cases["llama, all-linear"]!;
  const { base } = await folders("written", reference.cases["llama, all-linear"]!);
  const target_modules = ["q_proj", "v_proj", "gate_proj", "model.layers.1.mlp.down_proj", "lm_head"];
  const model = await prepareLora(device, config, { target_modules, use_rslora: true }, { random: true });
  for (const weight of loadWeights(base, model)) await writeWeight(device, model, weight);
  const written = join(folder, "written-adapter");
  mkdirSync(written);
  await saveTrained(readerOf(device), trainedPart(model, config, { base }), written);
  const bytes = execFileSync(PYTHON, ["test/reference/peft_logits.py", base, written, JSON.stringify(rows[0])], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const batch = batchOf([[{ tokens: rows[0]!, supervised: [] }]], rows[0]!.length, VOCAB);
  assertNear(await logitsOf(device, model, batch), floats(bytes));
});

after(async () => (await testDevice()).close());
