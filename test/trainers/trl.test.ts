import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { deriveSeed, seededRandom } from "../../src/core/random.ts";
import {
  createModel,
  inMemory,
  LoraOptions,
  loadTokenizer,
  type ModelConfig,
  plainRunFolder,
  type Segment,
  TrainerOptions,
  type TrainingRow,
  toSegments,
  trainedPart,
  trainers,
  trainWith,
} from "../../src/index.ts";
import type { Parameter } from "../../src/models/model.ts";
import { testDevice } from "../support/finite-differences.ts";
import { scratch } from "../support/students.ts";

type Tensor = { shape: number[]; norm: number; at: number[]; elements: number[]; decays: boolean };
type Case = {
  config: ModelConfig;
  rows: "pairs" | "messages";
  trainer: { max_steps: number; per_device_train_batch_size: number; gradient_accumulation_steps?: number } & Record<
    string,
    unknown
  >;
  lora?: Partial<LoraOptions>;
  losses: number[];
  rates: number[];
  rates_of_transformers?: number[];
  tensors: Record<string, Tensor>;
};

/** What TRL's SFTTrainer made of the same rows: trl_sft.py says how. */
const reference = JSON.parse(readFileSync("test/reference/trl_sft.json", "utf8")) as {
  template: string;
  rows: Record<"pairs" | "messages", TrainingRow[]>;
  cases: Record<string, Case>;
};
const folder = scratch();

/** The stories' tokenizer with the case's chat template, or none. */
function tokenizerFor(kind: "pairs" | "messages") {
  const place = mkdtempSync(join(folder, "tokenizer-"));
  copyFileSync("data/stories/tokenizer.json", join(place, "tokenizer.json"));
  const { chat_template: _, ...config } = JSON.parse(readFileSync("data/stories/tokenizer_config.json", "utf8"));
  const written = kind === "messages" ? { ...config, chat_template: reference.template } : config;
  writeFileSync(join(place, "tokenizer_config.json"), JSON.stringify(written));
  return loadTokenizer(place);
}

/** The same sines as in trl_sft.py. */
function sines({ name, shape }: Parameter): Float32Array {
  const phase = [...name].reduce((sum, character) => sum + character.codePointAt(0)!, 0) % 97;
  const vector = name.endsWith("bias") ? (x: number) => 0.2 * x : (x: number) => 1 + 0.1 * x;
  const scale = 0.8 / Math.sqrt(shape.at(-1)!);
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
    const sine = Math.sin(0.7 * i + phase);
    return shape.length === 1 ? vector(sine) : sine * scale;
  });
}

/** Examples that the trainer, which shuffles them, takes in the order given here. */
function inOrder(segments: readonly Segment[], seed: number): Segment[] {
  const drawn = seededRandom(deriveSeed(seed, "epoch", 0)).shuffled(segments.map((_, i) => i));
  const placed = new Array<Segment>(segments.length);
  drawn.forEach((place, turn) => {
    placed[place] = segments[turn]!;
  });
  return placed;
}

/** Train as TRL did. */
async function trained({ config, rows, trainer, lora }: Case) {
  const device = await testDevice();
  await device.forget(...(await device.states()));
  const model = createModel(config, "The reference's config", lora ? { lora: LoraOptions.parse(lora) } : {});
  const options = TrainerOptions.parse({ ...trainer, packing: false, logging_steps: 1 });
  const tokenizer = tokenizerFor(rows);
  const count = options.max_steps! * options.per_device_train_batch_size * options.gradient_accumulation_steps;
  const segments = Array.from({ length: count }, (_, i) => {
    const [segment, ...others] = toSegments(
      reference.rows[rows][i % reference.rows[rows].length]!,
      tokenizer,
      `row ${i}`,
    );
    assert.equal(others.length, 0);
    return segment!;
  });
  const output = mkdtempSync(join(folder, "run-"));
  const run = {
    device,
    model,
    trained: trainedPart(model, config),
    weights: (parameters: readonly Parameter[]) => parameters.map((one) => ({ ...one, data: sines(one) })),
    folder: plainRunFolder(output),
    fingerprint: "a test",
    silent: true,
  };
  await trainWith(trainers.sft, options, run, { segments: inMemory(inOrder(segments, options.seed)) });
  const metrics = readFileSync(join(output, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { loss: number; learning_rate: number });
  const tensors: Record<string, Float32Array> = {};
  for (const { name } of run.trained.parameters) tensors[name] = (await device.read(name)).data as Float32Array;
  return { metrics, tensors };
}

const largest = (found: readonly number[], expected: readonly number[]): number => {
  assert.equal(found.length, expected.length);
  return found.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i]!)), 0);
};

for (const [name, one] of Object.entries(reference.cases))
  test(`${name}: 20 steps have the losses of TRL's SFTTrainer, and end at its weights`, async (t) => {
    const { metrics, tensors } = await trained(one);
    const losses = largest(
      metrics.map(({ loss }) => loss),
      one.losses,
    );
    const rates = largest(
      metrics.map(({ learning_rate }) => learning_rate),
      one.rates,
    );
    assert.deepEqual(Object.keys(tensors).sort(), Object.keys(one.tensors).sort());
    let weights = 0;
    let norms = 0;
    for (const [tensor, { at, elements, norm }] of Object.entries(one.tensors)) {
      const found = tensors[tensor]!;
      const differ = largest(
        at.map((i) => found[i]!),
        elements,
      );
      assert.ok(differ <= 1e-5, `an element of ${tensor} differs by ${differ}`);
      weights = Math.max(weights, differ);
      norms = Math.max(norms, Math.abs(Math.sqrt(found.reduce((sum, x) => sum + x * x, 0)) - norm) / norm);
    }
    t.diagnostic(
      `losses ${losses.toExponential(1)}, weights ${weights.toExponential(1)}, norms ${norms.toExponential(1)}`,
    );
    assert.ok(losses <= 1e-5, `a loss differs by ${losses}`);
    assert.ok(norms <= 1e-5, `a norm differs by ${norms} of it`);
    assert.ok(rates <= 1e-12, `a learning rate differs by ${rates}`);
    assert.ok(one.losses.at(-1)! < one.losses[0]! - 0.05);
  });

test("a warm-up is one step ahead of that of transformers, and all that follows it is the same", () => {
  const { rates, rates_of_transformers: theirs, trainer } = reference.cases["a linear schedule with a warm-up"]!;
  const warmup = Math.ceil(trainer.max_steps * (trainer.warmup_ratio as number));
  assert.equal(theirs![0], 0);
  assert.ok(largest(rates.slice(0, warmup), theirs!.slice(1, warmup + 1)) < 1e-12);
  assert.ok(largest(rates.slice(warmup), theirs!.slice(warmup)) < 1e-12);
});

test("what decays is what decays in transformers: matrices, and neither norms nor biases", () => {
  const { tensors } = reference.cases["weight decay, beside biases"]!;
  assert.ok(Object.keys(tensors).some((name) => name.endsWith("bias")));
  for (const [name, { shape, decays }] of Object.entries(tensors)) assert.equal(decays, shape.length > 1, name);
});

after(async () => (await testDevice()).close());
