import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, readAdapter } from "../../src/models/adapter-folder.ts";
import { besideAdapter, loadAdapter, mergedWeights } from "../../src/models/adapter-weights.ts";
import {
  createModel,
  loadWeights,
  type ModelConfig,
  readConfig,
  saveTensors,
  type Weight,
} from "../../src/models/load.ts";
import type { LoraOptions } from "../../src/models/lora.ts";
import { trainedPart } from "../../src/student/trained.ts";
import { readerOf, saveTrained, writeWeight } from "../../src/trainers/checkpoint.ts";
import { compileTraining, resetMoments } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { testDevice } from "../support/finite-differences.ts";
import { logitsOf, prepareLora } from "../support/lora.ts";
import { type Python, startPython } from "../support/python.ts";
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
    const sine = Math.sin(0.7 * i + 0.61 * i * i + phase);
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

const largestDifference = (found: Float32Array, expected: Float32Array): number =>
  expected.reduce((most, x, i) => Math.max(most, Math.abs(x - found[i]!)), 0);

function assertNear(found: Float32Array, expected: Float32Array, limit = 1e-4): void {
  const difference = largestDifference(found, expected);
  assert.ok(difference < limit, `${difference}`);
}

for (const [name, reference_] of Object.entries(reference.cases)) {
  const { config, rows, prompts, logits, losses } = reference_;

  for (const rematerialize of [false, true])
    test(`${name}${rematerialize ? ", layers rematerialised" : ""}: an adapter of PEFT's says here what it says there, and 10 steps of it have the same losses`, async () => {
      const device = await testDevice();
      const { base, adapted } = await folders(name, reference_);
      const stored = readAdapter(adapted);
      const model = createModel(config, name, { lora: stored.options });
      const whole = { ...model, adapter: model.adapter! };
      const start = () => besideAdapter(loadWeights(base, model), stored, whole);
      for (const weight of start()) await writeWeight(device, model, weight);
      for (const weight of loadAdapter(adapted, model.adapter!)) await writeWeight(device, model, weight);
      const alone = batchOf([[{ tokens: rows[0]!, supervised: [] }]], rows[0]!.length, VOCAB);
      const expected = floats(Buffer.from(logits, "base64"));
      assertNear(await logitsOf(device, model, alone), expected);

      const merged = createModel(config, name);
      for (const weight of mergedWeights(loadWeights(base, merged), stored, whole))
        await writeWeight(device, merged, weight);
      assertNear(await logitsOf(device, merged, alone), expected);
      for (const weight of start()) await writeWeight(device, model, weight);

      const batch = batchOf(
        rows.map((tokens, r) => [{ tokens, supervised: tokens.map((_, i) => i >= prompts[r]!) }]),
        rows[0]!.length,
        VOCAB,
        10,
      );
      const { learning_rate, max_grad_norm, ...options } = reference.optimizer;
      const { parameters } = trainedPart(model, config);
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

let started: Python | undefined;
const python: Python["run"] = (...script) => {
  started ??= startPython();
  return started.run(...script);
};

/** The largest difference between weights and the tensors of a file. */
function differenceFrom(path: string, weights: Iterable<Weight>): number {
  const file = openSafetensors(path);
  let most = 0;
  for (const { name, data } of weights) {
    const other = new Float32Array(file.read(name).buffer);
    assert.equal(other.length, data.length, name);
    most = Math.max(most, largestDifference(data, other));
  }
  file.close();
  return most;
}

test("merged weights are those of PEFT's merge_and_unload", { skip: missing() }, async (t) => {
  const cases = await Promise.all(
    Object.entries(reference.cases).map(async ([name, case_], i) => {
      const { base, adapted } = await folders(`merged ${name}`, case_);
      return { name, ...case_, base, adapted, output: join(folder, `merged-${i}.safetensors`) };
    }),
  );
  await python("peft_merge.py", ...cases.flatMap(({ base, adapted, output }) => [base, adapted, output]));
  for (const { name, config, base, adapted, output } of cases) {
    const stored = readAdapter(adapted);
    const model = createModel(config, name, { lora: stored.options });
    const merged = mergedWeights(loadWeights(base, model), stored, { ...model, adapter: model.adapter! });
    const difference = differenceFrom(output, merged);
    t.diagnostic(`${name}: largest difference ${difference}`);
    assert.ok(difference < 1e-5, `${name}: ${difference}`);
  }
});

const WRITTEN: Record<string, [of: string, lora: Partial<LoraOptions>]> = {
  "names, rslora": [
    "llama, all-linear",
    {
      target_modules: ["q_proj", "v_proj", "gate_proj", "model.layers.1.mlp.down_proj", "lm_head"],
      use_rslora: true,
    },
  ],
  "a regular expression, patterns and excluded modules": [
    "llama, all-linear",
    {
      target_modules: ".*_proj",
      exclude_modules: ["k_proj"],
      rank_pattern: { "layers\\.1\\..*": 2, q_proj: 3 },
      alpha_pattern: { "model.layers.0.mlp.up_proj": 11 },
    },
  ],
  "layers, and modules to save": [
    "llama, all-linear",
    { target_modules: ["q_proj"], layers_to_transform: 1, modules_to_save: ["embed_tokens", "lm_head", "norm"] },
  ],
  "tied embeddings to save": ["qwen2, OLoRA", { modules_to_save: ["embed_tokens"] }],
  DoRA: ["llama, all-linear", { use_dora: true, target_modules: ["q_proj", "up_proj"] }],
};

test("PEFT loads adapters that are written here, and they say the same there", { skip: missing() }, async (t) => {
  const device = await testDevice();
  const ours: Float32Array[] = [];
  const asked: string[] = [];
  for (const [name, [of, lora]] of Object.entries(WRITTEN)) {
    const { config, rows } = reference.cases[of]!;
    const { base } = await folders(`written ${name}`, reference.cases[of]!);
    const model = await prepareLora(device, config, lora, { random: true });
    const saved = new Set(model.adapter!.saved.map(({ name }) => name));
    for (const { data, ...weight } of loadWeights(base, model))
      await writeWeight(device, model, { ...weight, data: saved.has(weight.name) ? data.map((x) => 0.7 * x) : data });
    const written = join(folder, `adapter-${name.replaceAll(/\W+/g, "-")}`);
    mkdirSync(written);
    await saveTrained(readerOf(device), trainedPart(model, config, { base }), written);
    asked.push(base, written, JSON.stringify(rows[0]));
    ours.push(await logitsOf(device, model, batchOf([[{ tokens: rows[0]!, supervised: [] }]], rows[0]!.length, VOCAB)));
  }
  let bytes = await python("peft_logits.py", ...asked);
  for (const [i, name] of Object.keys(WRITTEN).entries()) {
    const theirs = floats(bytes.subarray(0, ours[i]!.byteLength));
    bytes = bytes.subarray(ours[i]!.byteLength);
    t.diagnostic(`${name}: largest difference of logits ${largestDifference(ours[i]!, theirs)}`);
    assertNear(ours[i]!, theirs);
  }
});

after(async () => {
  started?.end();
  (await testDevice()).close();
});

test(
  "an adapter as it began, beside the trained one or subtracted from it, says what it took out of the weights",
  { skip: missing() },
  async () => {
    const place = join(folder, "begun");
    await python("peft_begun.py", place);
    const base = join(place, "base");
    const config = readConfig(base);
    const of = (name: string) => {
      const stored = readAdapter(join(place, name));
      const model = createModel(config, name, { lora: stored.options });
      const weights = mergedWeights(loadWeights(base, model), stored, { ...model, adapter: model.adapter! });
      return differenceFrom(join(place, `${name}.safetensors`), weights);
    };
    for (const kind of ["beside", "converted"])
      for (const init of ["pissa", "pissa_niter_4", "olora"]) {
        const difference = of(`${init}-${kind}`);
        assert.ok(difference <= 1e-5, `${init}-${kind}: ${difference}`);
      }
    // where rounding decides what was taken, nobody else can tell
    assert.ok(of("pissa") > 1e-3);
    rmSync(join(place, "pissa_niter_4-beside", "pissa_init"), { recursive: true });
    assert.throws(() => of("pissa_niter_4-beside"), {
      name: "DistillError",
      message: /"pissa_niter_4" takes a part out of the weights that random numbers decide.*pissa_init/,
    });
  },
);
