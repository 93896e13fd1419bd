import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  AutoModelForCausalLM,
  AutoTokenizer,
  env,
  Tensor as HfTensor,
  type PreTrainedModel,
} from "@huggingface/transformers";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { greedy } from "../../src/evaluation/greedy.ts";
import { DTYPES, type ExportDtype } from "../../src/exporters/onnx/storage.ts";
import { onnx } from "../../src/exporters/onnx.ts";
import { openOnnxRunner } from "../../src/exporters/runners/onnx.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import { createModel, loadWeights, type ModelConfig, readConfig } from "../../src/models/load.ts";
import { type LoadedModel, openDevice } from "../../src/runtime/device.ts";
import { type Tensor, tensor } from "../../src/runtime/tensor.ts";
import { testDevice } from "../support/finite-differences.ts";
import { scratch, writeStudent } from "../support/students.ts";
import { relativeDifference } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

env.allowRemoteModels = false;

const folder = scratch();
const { eos } = loadTokenizer("data/arithmetic");
const PROMPTS = ["12*34+5=?", "98*76-543=?<think>", "7"].map((text) => loadTokenizer("data/arithmetic").encode(text));

const STUDENTS: Record<string, Partial<ModelConfig>> = {
  "grouped queries, tied": {},
  "grouped queries, untied": { tie_word_embeddings: false },
  "one key head for each head": { num_key_value_heads: 4, tie_word_embeddings: false },
  "head_dim of its own, llama3 scaling": {
    head_dim: 16,
    rope_theta: 500,
    rope_scaling: {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    },
  },
};

/** A student and its export, made once. */
const made = new Map<string, Promise<{ student: string; output: string }>>();
function exported(name: string, dtypes: readonly ExportDtype[] = DTYPES): Promise<{ student: string; output: string }> {
  const make = async () => {
    const student = join(folder, `student ${name}`);
    const output = join(folder, `export ${name}`);
    await writeStudent(student, STUDENTS[name]);
    await onnx.create({ dtypes: [...dtypes], max_file_bytes: 1e9 })({ folder: student }, output);
    return { student, output };
  };
  const known = made.get(name) ?? make();
  made.set(name, known);
  return known;
}

const load = (output: string, dtype: ExportDtype, device: "cpu" | "webgpu" = "cpu") =>
  AutoModelForCausalLM.from_pretrained(output, { dtype, device });

/** transformers.js's greedy continuation of token ids, padded on the left to one length. */
async function generate(model: PreTrainedModel, prompts: readonly (readonly number[])[], max_new_tokens = 24) {
  const length = Math.max(...prompts.map((prompt) => prompt.length));
  const rows = prompts.map((prompt) => new Array<number>(length - prompt.length).fill(0).concat(prompt));
  const mask = prompts.map((prompt) => rows[0]!.map((_, i) => (i < length - prompt.length ? 0 : 1)));
  const int64 = (values: number[][]) =>
    new HfTensor("int64", BigInt64Array.from(values.flat(), BigInt), [prompts.length, length]);
  const output = (await model.generate({
    inputs: int64(rows),
    attention_mask: int64(mask),
    max_new_tokens,
    do_sample: false,
  } as Parameters<typeof model.generate>[0])) as HfTensor;
  return (output.tolist() as bigint[][]).map((row) => {
    const ids = row.slice(length).map(Number);
    const end = ids.indexOf(eos);
    return end < 0 ? ids : ids.slice(0, end + 1);
  });
}

/** The greedy continuation of the weights in a folder, by the programs that train. */
async function trained(student: string, max_completion_length = 24): Promise<number[][]> {
  const device = await testDevice();
  const model = createModel(readConfig(student), student);
  for (const { name, shape, data } of loadWeights(student, model))
    await device.write(name, tensor("float32", shape, data));
  return greedy(device, model, PROMPTS, { eos, max_completion_length });
}

for (const name of Object.keys(STUDENTS))
  test(`transformers.js generates what the trained weights do: ${name}`, async () => {
    const { student, output } = await exported(name);
    const expected = await trained(student);
    assert.ok(new Set(expected.flat()).size > 5, "the student says more than one thing");
    const model = await load(output, "fp32");
    for (const [i, prompt] of PROMPTS.entries()) assert.deepEqual(await generate(model, [prompt]), [expected[i]]);
    assert.deepEqual(
      await generate(model, PROMPTS),
      expected,
      "prompts of unequal length in one batch, padded on the left",
    );
    await model.dispose();
  });

/** Feed tokens [rows][new] behind a cache; `hidden` is how many padding tokens each row begins with. */
async function step(
  model: LoadedModel,
  rows: readonly (readonly number[])[],
  {
    cache,
    padding = rows.map(() => 0),
    shift = 0,
  }: { cache?: Record<string, Tensor>; padding?: number[]; shift?: number } = {},
) {
  const past =
    cache ??
    Object.fromEntries(
      model.inputs
        .filter(({ name }) => name.startsWith("past_key_values."))
        .map(({ name, elemType, shape }) => [
          name,
          tensor(elemType as Tensor["dtype"], [rows.length, shape[1] as number, 0, shape[3] as number], []),
        ]),
    );
  const before = past["past_key_values.0.key"]!.shape[2]!;
  const length = rows[0]!.length;
  const int64 = (values: number[][]) => tensor("int64", [rows.length, values[0]!.length], values.flat());
  const positions = (row: number) =>
    Array.from({ length: before + length }, (_, i) => Math.max(0, i - padding[row]!) + shift);
  const { logits, ...present } = await model.run({
    input_ids: int64(rows.map((row) => [...row])),
    attention_mask: int64(rows.map((_, r) => positions(r).map((_, i) => (i < padding[r]! ? 0 : 1)))),
    position_ids: int64(rows.map((_, r) => positions(r).slice(before))),
    num_logits_to_keep: tensor("int64", [], [0]),
    ...past,
  });
  const next = Object.entries(present).map(([name, x]) => [name.replace("present", "past_key_values"), x] as const);
  return { logits: logits!.data as Float32Array, shape: logits!.shape, cache: Object.fromEntries(next) };
}

const text = loadTokenizer("data/arithmetic").encode("12*34+5=?<think>12*4=40+8=48\n12*30=300+60=360");

for (const name of Object.keys(STUDENTS))
  test(`step by step with the cache the logits are those of the whole text, and of training: ${name}`, async () => {
    const { student, output } = await exported(name);
    const device = await testDevice();
    const model = await device.load(join(output, "onnx", "model.onnx"));
    const whole = await step(model, [text]);
    assert.deepEqual(whole.shape, [1, text.length, 40]);
    const steps: number[] = [];
    let cache: Record<string, Tensor> | undefined;
    for (const id of text) {
      const next = await step(model, [[id]], cache ? { cache } : {});
      steps.push(...next.logits);
      cache = next.cache;
    }
    assert.ok(relativeDifference(steps, whole.logits) < 1e-5);
    const reference = await openReferenceRunner(student);
    const expected = await reference.logits(text);
    await reference.close();
    assert.ok(relativeDifference(whole.logits, expected) < 1e-5, `${relativeDifference(whole.logits, expected)}`);
    await model.release();
  });

test("padding on the left changes no logits, with the cache or without", async () => {
  const { output } = await exported("grouped queries, tied");
  const model = await (await testDevice()).load(join(output, "onnx", "model.onnx"));
  const [long, short] = [text.slice(0, 20), text.slice(20, 31)];
  const padded = [...new Array<number>(9).fill(0), ...short];
  const padding = [0, 9];
  const both = await step(model, [long, padded], { padding });
  const more = await step(model, [[7], [8]], { padding, cache: both.cache });
  for (const [r, tokens] of [long, short].entries()) {
    const alone = await step(model, [tokens]);
    const alone2 = await step(model, [[7 + r]], { cache: alone.cache });
    const row = both.logits.slice(r * 20 * 40, (r + 1) * 20 * 40);
    assert.ok(relativeDifference(row.slice(-alone.logits.length), alone.logits) < 1e-5);
    assert.ok(relativeDifference(more.logits.slice(r * 40, (r + 1) * 40), alone2.logits) < 1e-5);
  }
  await model.release();
});

test("what a token sees depends on distance, not on position, however far; beyond 2^20 nothing is computed", async () => {
  const { output } = await exported("head_dim of its own, llama3 scaling");
  const model = await (await testDevice()).load(join(output, "onnx", "model.onnx"));
  const { logits } = await step(model, [text]);
  for (const shift of [1000, 1020, 2 ** 20 - text.length]) {
    const far = await step(model, [text], { shift });
    assert.ok(relativeDifference(far.logits, logits) < 1e-4, `${shift}: ${relativeDifference(far.logits, logits)}`);
  }
  await assert.rejects(step(model, [text], { shift: 2 ** 20 }), /out of data bounds|out of bounds/);
  await model.release();
});

test("only the last logits are computed where only they are asked for", async () => {
  const { output } = await exported("grouped queries, tied");
  const device = await testDevice();
  const model = await device.load(join(output, "onnx", "model.onnx"));
  const { logits } = await step(model, [text]);
  const past = model.inputs.filter(({ name }) => name.startsWith("past"));
  const last = await model.run({
    input_ids: tensor("int64", [1, text.length], text),
    attention_mask: tensor(
      "int64",
      [1, text.length],
      text.map(() => 1),
    ),
    position_ids: tensor(
      "int64",
      [1, text.length],
      text.map((_, i) => i),
    ),
    num_logits_to_keep: tensor("int64", [], [2]),
    ...Object.fromEntries(past.map(({ name }) => [name, tensor("float32", [1, 2, 0, 8], [])])),
  });
  assert.deepEqual(last.logits!.shape, [1, 2, 40]);
  assert.ok(relativeDifference(last.logits!.data as Float32Array, logits.slice(-80)) < 1e-6);
  await model.release();
});

after(async () => (await testDevice()).close());
