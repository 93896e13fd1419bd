import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { AutoModelForCausalLM, env, Tensor as HfTensor } from "@huggingface/transformers";
import { DistillError } from "../../src/core/errors.ts";
import { layOut } from "../../src/data/batch.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { onnx } from "../../src/exporters/onnx.ts";
import { compareRunner, continueGreedily, requireParity } from "../../src/exporters/parity.ts";
import { openOnnxRunner } from "../../src/exporters/runners/onnx.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import { tokenFeeds, tokenInputs } from "../../src/generation/tokens.ts";
import { input, type Value } from "../../src/graph/value.ts";
import * as families from "../../src/models/index.ts";
import { createModel, ggufLayout, loadWeights, type ModelConfig, saveTensors } from "../../src/models/load.ts";
import type { Model, Parameter } from "../../src/models/model.ts";
import { linear } from "../../src/nn/linear.ts";
import { type Tensor, tensor } from "../../src/runtime/tensor.ts";
import { loadOnProcessor } from "../../src/teachers/llama-cpp/start.ts";
import { testDevice } from "../support/finite-differences.ts";
import { theirLogits } from "../support/models.ts";
import { scratch, TOKENIZER } from "../support/students.ts";
import { batchOf, compileFor, measure, prepare, segment } from "../support/training.ts";

type Case = { config: ModelConfig; parameters: Record<string, number[]>; logits: string };
const { tokens, cases } = JSON.parse(readFileSync("test/reference/families.json", "utf8")) as {
  tokens: number[];
  cases: Record<string, Case>;
};
const VOCAB = 40;
const { eos } = loadTokenizer(TOKENIZER);
const folder = scratch();

/** The same sines as in families.py. */
function weight({ name, shape, init }: Parameter): Float32Array {
  const phase = [...name].reduce((sum, c) => sum + c.charCodeAt(0), 0) % 97;
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
    const sine = Math.sin(0.7 * i + phase);
    return shape.length > 1 ? sine * (1.6 / Math.sqrt(shape.at(-1)!)) : (init === "ones" ? 1 : 0) + sine / 2;
  });
}

/** The case's model as a folder, made once. */
const written = new Map<string, string>();
async function modelFolder(name: string, config: ModelConfig, weights = weight): Promise<string> {
  const known = written.get(name);
  if (known) return known;
  const path = join(folder, `model-${written.size}`);
  written.set(name, path);
  mkdirSync(path);
  writeFileSync(join(path, "config.json"), JSON.stringify(config));
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) copyFileSync(join(TOKENIZER, file), join(path, file));
  const { parameters } = createModel(config, name);
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  await saveTensors(join(path, "model.safetensors"), parameters, async (name) => weights(byName.get(name)!));
  return path;
}

function assertNear(found: ArrayLike<number>, expected: ArrayLike<number>, limit: number) {
  assert.equal(found.length, expected.length);
  let largest = 0;
  for (let i = 0; i < found.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    largest = difference <= largest ? largest : difference; // keeps NaN
  }
  assert.ok(largest < limit, `the largest difference is ${largest}`);
}

function decoded(logits: string): Float32Array {
  const bytes = Buffer.from(logits, "base64");
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

const cacheNames = (layers: number) => Array.from({ length: layers }, (_, i) => [`key ${i}`, `value ${i}`]).flat();

/** The hidden states of new tokens of two texts, and their cache. */
function decodedBy(model: Model): Record<string, Value> {
  const { layers, num_key_value_heads, head_dim } = model.cache;
  const past = (name: string) => input(`past ${name}`, "float32", [2, num_key_value_heads, "old", head_dim]);
  const { hidden, present } = model.decode({
    input_ids: input("input_ids", "int64", [2, "new"]),
    attention_mask: input("attention_mask", "int64", [2, "total"]),
    position_ids: input("position_ids", "int64", [2, "new"]),
    past: Array.from({ length: layers }, (_, i) => ({ key: past(`key ${i}`), value: past(`value ${i}`) })),
  });
  const grown = present.flatMap(({ key, value }) => [key, value]);
  return { hidden, ...Object.fromEntries(cacheNames(layers).map((name, i) => [name, grown[i]!])) };
}

/** A part of one of two rows that are equally long. */
const rowOf = ({ data }: Tensor, row: number, begin: number, end: number) =>
  (data as Float32Array).subarray((row * data.length) / 2 + begin, (row * data.length) / 2 + end);

/** What transformers.js says after token ids. */
async function generate(folder: string, prompt: readonly number[], max_new_tokens: number): Promise<number[]> {
  env.allowRemoteModels = false;
  const model = await AutoModelForCausalLM.from_pretrained(folder, { dtype: "fp32", device: "cpu" });
  const int64 = (values: readonly number[]) =>
    new HfTensor("int64", BigInt64Array.from(values, BigInt), [1, values.length]);
  const output = (await model.generate({
    inputs: int64(prompt),
    attention_mask: int64(prompt.map(() => 1)),
    max_new_tokens,
    do_sample: false,
  } as Parameters<typeof model.generate>[0])) as HfTensor;
  await model.dispose();
  return (output.tolist() as bigint[][])[0]!.slice(prompt.length).map(Number);
}

test("every family has a case", () => {
  const types = Object.values(cases).map(({ config }) => config.model_type);
  assert.deepEqual([...new Set(types)].sort(), Object.keys(families).sort());
});

for (const [name, reference] of Object.entries(cases)) {
  const { config } = reference;

  test(`${name}: weights have the names and shapes that transformers gives them`, () => {
    const { parameters } = createModel(config, name);
    assert.deepEqual(Object.fromEntries(parameters.map(({ name, shape }) => [name, shape])), reference.parameters);
  });

  for (const [block, before] of [
    [64, 0],
    [10, 0],
    [10, 13],
  ] as const)
    test(`${name}: logits are those of transformers, in blocks of ${block}, behind a segment of ${before} tokens`, async () => {
      const device = await testDevice();
      const path = await modelFolder(name, config);
      const model = createModel(config, name);
      for (const { name, shape, data } of loadWeights(path, model))
        await device.write(name, tensor("float32", shape, data));
      const shape = { rows: 1, length: 64, block, chunks: 1 };
      const program = await device.compile({ logits: linear(model.hidden(tokenInputs(shape)), model.head) });
      const row = [...(before > 0 ? [segment(1, before)] : []), { tokens, supervised: [] }];
      const { logits } = await program.run(tokenFeeds(layOut([row], shape)));
      await program.release();
      const found = (logits!.data as Float32Array).subarray(before * VOCAB, (before + tokens.length) * VOCAB);
      assertNear(found, decoded(reference.logits), 1e-4);
    });

  test(`${name}: texts of unequal length, decoded in pieces behind a cache, have the hidden states of the whole texts`, async () => {
    const device = await testDevice();
    const path = await modelFolder(name, config);
    const model = createModel(config, name);
    for (const { name, shape, data } of loadWeights(path, model))
      await device.write(name, tensor("float32", shape, data));
    const texts = [tokens, tokens.slice(5).reverse()];
    const shape = { rows: 2, length: 64, block: 64, chunks: 1 };
    const whole = await device.compile({ hidden: model.hidden(tokenInputs(shape)) });
    const rows = texts.map((tokens) => [{ tokens, supervised: [] }]);
    const { hidden } = await whole.run(tokenFeeds(layOut(rows, shape)));
    const width = config.hidden_size as number;
    const expected = texts.map(({ length }, i) => rowOf(hidden!, i, 0, length * width));

    const program = await device.compile(decodedBy(model));
    const { layers, num_key_value_heads, head_dim } = model.cache;
    const empty = tensor("float32", [2, num_key_value_heads, 0, head_dim], []);
    let cache = Object.fromEntries(cacheNames(layers).map((name) => [`past ${name}`, empty]));
    const padding = texts.map(({ length }) => tokens.length - length);
    const padded = texts.map((text, i) => [...new Array<number>(padding[i]!).fill(0), ...text]);
    const found: number[][] = [[], []];
    const ends = [7, 8, 9, tokens.length];
    for (const [piece, end] of ends.entries()) {
      const begin = ends[piece - 1] ?? 0;
      const grid = (first: number, of: (row: number, i: number) => number) =>
        tensor(
          "int64",
          [2, end - first],
          padding.flatMap((_, row) => Array.from({ length: end - first }, (_, i) => of(row, first + i))),
        );
      const { hidden, ...present } = await program.run({
        input_ids: grid(begin, (row, i) => padded[row]![i]!),
        attention_mask: grid(0, (row, i) => (i < padding[row]! ? 0 : 1)),
        position_ids: grid(begin, (row, i) => Math.max(0, i - padding[row]!)),
        ...cache,
      });
      cache = Object.fromEntries(Object.entries(present).map(([name, value]) => [`past ${name}`, value]));
      padding.forEach((before, row) => {
        const unseen = Math.max(0, before - begin) * width;
        found[row]!.push(...rowOf(hidden!, row, unseen, (end - begin) * width));
      });
    }
    await Promise.all([whole.release(), program.release()]);
    for (const [row, states] of expected.entries()) assertNear(found[row]!, states, 1e-4);
  });

  // llama.cpp looks GELU up in a table of halves on CPUs, between -10 and 10. Where a norm follows the feed-forward it is
  // once made to count less, so that what those halves cost stays below the limit and what a wrong feed-forward would cost
  // does not; and once counts in full, with gates so far out that nearly none is looked up
  const changed = (part: string, change: (x: number) => number) => (parameter: Parameter) => {
    const data = weight(parameter);
    return parameter.name.includes(part) ? data.map(change) : data;
  };
  const variants = Object.keys(reference.parameters).some((name) => name.includes("post_feedforward"))
    ? {
        ", its feed-forward made small": changed("post_feedforward", (x) => (1 + x) / 300 - 1),
        ", its gates wide open or shut": changed("gate_proj", (x) => 1e4 * x),
      }
    : { "": weight };

  for (const [variant, weights] of Object.entries(variants))
    test(`${name}: llama.cpp computes the same logits${variant}`, async () => {
      const path = await modelFolder(`${name} for llama.cpp${variant}`, config, weights);
      const [file] = await gguf.create({ types: ["f32"] })({ folder: path }, `${path}-gguf`);
      const runner = await openReferenceRunner(path);
      const { model } = await loadOnProcessor({ modelPath: file!.path });
      assertNear(await theirLogits(model, tokens, VOCAB), await runner.logits(tokens), 1e-4);
      await Promise.all([runner.close(), model.dispose()]);
    });

  test(`${name}: the ONNX export passes the gate at 1e-6, and transformers.js continues a text as the weights do`, async () => {
    const path = await modelFolder(name, config);
    const [file] = await onnx.create({ dtypes: ["fp32"], max_file_bytes: 1e9, transformers_js: 3 })(
      { folder: path },
      `${path}-onnx`,
    );
    const [weights, exported] = [await openReferenceRunner(path), await openOnnxRunner(file!.path)];
    const few = { stops: [], max_completion_length: tokens.length - 4 };
    const continuations = await continueGreedily(weights, [tokens.slice(0, 4)], few);
    const report = await compareRunner("onnx-fp32", exported, continuations);
    assertNear(await exported.logits(tokens), decoded(reference.logits), 1e-4);
    const prompt = tokens.slice(0, 12);
    const greedy = await continueGreedily(weights, [prompt], { stops: [eos], max_completion_length: 6 });
    await Promise.all([weights.close(), exported.close()]);
    assert.deepEqual(await generate(`${path}-onnx`, prompt, 6), greedy[0]!.completion);
    requireParity(report, 1e-6);
    assert.ok(report.max_kl < 1e-6, `${report.max_kl}`);
  });

  test(`${name}: what is loaded, saved and loaded again is the same bit for bit`, async () => {
    const path = await modelFolder(name, config);
    const model = createModel(config, name);
    const first = new Map([...loadWeights(path, model)].map(({ name, data }) => [name, data]));
    const again = `${path}-again`;
    mkdirSync(again);
    await saveTensors(join(again, "model.safetensors"), model.parameters, async (name) => first.get(name)!);
    for (const { name, data } of loadWeights(again, model)) assert.deepEqual(data, first.get(name));
    assert.ok(readFileSync(join(again, "model.safetensors")).equals(readFileSync(join(path, "model.safetensors"))));
  });

  for (const rematerialize of [false, true])
    test(`${name}: a step of training lowers the loss${rematerialize ? ", layers rematerialised" : ""}`, async () => {
      const device = await testDevice();
      const model = await prepare(device, config);
      const batch = batchOf([[segment(1, 20, 3), segment(2, 9)], [segment(4, 27)]], 32, VOCAB, 12);
      const training = await compileFor(device, model, batch, { rematerialize });
      const { loss, grad_norm } = await training.step([batch], { learning_rate: 1e-3, max_grad_norm: 1 });
      const next = await measure(training, batch);
      assert.ok(Number.isFinite(grad_norm) && next < loss, `${loss}, then ${next}`);
    });
}

const refused = (make: () => unknown, message: RegExp) =>
  assert.throws(make, (error) => error instanceof DistillError && message.test(error.message));

test("a config that asks for what a family does not have is refused in a sentence", () => {
  const change = (type: string, changes: object) => () =>
    createModel({ ...cases[type]!.config, ...changes }, "config.json");
  const yarn = { rope_scaling: { type: "yarn", factor: 4 } };
  for (const type of ["qwen2", "qwen3"]) {
    refused(
      change(type, yarn),
      /rope_scaling\.rope_type: unknown rope_type "yarn", expected one of: default, linear\.$/,
    );
    refused(change(type, { use_sliding_window: true }), /use_sliding_window/);
  }
  refused(change("llama", yarn), /unknown rope_type "yarn", expected one of: default, linear, llama3\.$/);
  refused(change("llama", { rope_scaling: { type: "linear" } }), /rope_scaling\.factor/);
  refused(change("qwen2", { num_attention_heads: 3 }), /num_key_value_heads: must divide num_attention_heads/);
  refused(change("qwen2", { head_dim: 16 }), /hidden_size: must be num_attention_heads times head_dim/);
  refused(change("gemma3_text", { layer_types: ["full_attention"] }), /layer_types: must name a type for each/);
  refused(change("gemma3_text", { final_logit_softcapping: 30 }), /final_logit_softcapping/);
});

test("layers that llama.cpp cannot arrange are refused by the GGUF layout alone", () => {
  const layer_types = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"];
  const config = { ...cases.gemma3_text!.config, layer_types };
  createModel(config, "config.json");
  refused(() => ggufLayout(config, "config.json"), /only where every n-th layer has full attention/);
});

after(async () => (await testDevice()).close());
