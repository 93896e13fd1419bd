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
import { emitModel } from "../../src/compiler/emit.ts";
import { targets } from "../../src/compiler/targets.ts";
import { DistillError } from "../../src/core/errors.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { decoderOf } from "../../src/exporters/onnx/decoder.ts";
import { DTYPES, type ExportDtype } from "../../src/exporters/onnx/storage.ts";
import { FILES, onnx } from "../../src/exporters/onnx.ts";
import { compareRunner, continueGreedily } from "../../src/exporters/parity.ts";
import { openOnnxRunner } from "../../src/exporters/runners/onnx.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import { greedyCompletions } from "../../src/generation/greedy.ts";
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
    await onnx.create({ dtypes: [...dtypes], max_file_bytes: 1e9, transformers_js: 3 })({ folder: student }, output);
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
  return greedyCompletions(device, model, PROMPTS, { stops: [eos], max_completion_length });
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

const FAR = [1290, 1300 ** 2 - 10, 2_000_000_000];

test("what a token sees depends on distance, not on position, however far", async () => {
  const { output } = await exported("head_dim of its own, llama3 scaling");
  const model = await (await testDevice()).load(join(output, "onnx", "model.onnx"));
  const { logits } = await step(model, [text]);
  for (const shift of FAR) {
    const far = await step(model, [text], { shift });
    assert.ok(relativeDifference(far.logits, logits) < 1e-4, `${shift}: ${relativeDifference(far.logits, logits)}`);
  }
  await model.release();
});

test("for transformers.js 4 only the last logits are computed where only they are asked for", async () => {
  const { student } = await exported("grouped queries, tied");
  const output = join(folder, "for version 4");
  await onnx.create({ dtypes: ["fp32"], max_file_bytes: 1e9, transformers_js: 4 })({ folder: student }, output);
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

test("every dtype loads, generates and is near the weights: halves nearest, four bits furthest", async () => {
  const { student, output } = await exported("grouped queries, untied");
  const reference = await openReferenceRunner(student);
  const continuations = await continueGreedily(reference, PROMPTS, { stops: [eos], max_completion_length: 24 });
  const kl: Record<string, number> = {};
  for (const dtype of DTYPES) {
    const model = await load(output, dtype);
    for (const completion of await generate(model, PROMPTS)) assert.ok(completion.length > 0);
    await model.dispose();
    const runner = await openOnnxRunner(join(output, "onnx", FILES[dtype]));
    kl[dtype] = (await compareRunner(dtype, runner, continuations)).mean_kl;
    await runner.close();
  }
  await reference.close();
  const { fp32, fp16, q8, q4, q4f16 } = kl as Record<ExportDtype, number>;
  assert.ok(fp32 < 1e-9 && fp16 < 1e-4 && q8 < 0.01 && q4 < 0.5 && q4f16 < 0.5, JSON.stringify(kl));
  assert.ok(fp32 < fp16 && fp16 < q8 && q8 < q4, JSON.stringify(kl));
});

test("a file has each weight once, in the bytes of its dtype", async () => {
  const { output } = await exported("grouped queries, tied");
  const { student } = await exported("grouped queries, tied");
  const model = createModel(readConfig(student), student);
  const matrices = model.parameters.filter(({ shape }) => shape.length === 2);
  const count = (inBlocks: boolean) =>
    matrices
      .filter(({ shape }) => (shape[1]! % 32 === 0) === inBlocks)
      .reduce((n, { shape }) => n + shape[0]! * shape[1]!, 0);
  const embedding = 40 * 32;
  const expected = {
    fp32: 4 * (count(true) + count(false)),
    fp16: 2 * (count(true) + count(false)),
    q8: 4 * count(false) + (9 / 8) * count(true),
    q4: 4 * count(false) + (9 / 8) * embedding + (5 / 8) * (count(true) - embedding),
    q4f16: 2 * count(false) + (17 / 16) * embedding + (9 / 16) * (count(true) - embedding),
  };
  const tables = 4 * 1300 * 3 * 2 * 4; // three digits, cos and sin, head_dim / 2
  for (const dtype of DTYPES) {
    const rest = statSync(join(output, "onnx", FILES[dtype])).size - tables - expected[dtype];
    assert.ok(rest > 0 && rest < 25_000, `${dtype}: ${rest} bytes besides the weights`);
  }
});

test("weights beyond the limit go to data files, which transformers.js is told of and finds", async () => {
  const { student, output: whole } = await exported("grouped queries, tied");
  const output = join(folder, "split");
  const [file] = await onnx.create({ dtypes: ["q8"], max_file_bytes: 8192, transformers_js: 3 })(
    { folder: student },
    output,
  );
  const files = readdirSync(join(output, "onnx")).sort();
  assert.deepEqual(files.slice(0, 3), [
    "model_quantized.onnx",
    "model_quantized.onnx_data",
    "model_quantized.onnx_data_1",
  ]);
  for (const name of files.slice(1)) assert.ok(statSync(join(output, "onnx", name)).size <= 8192);
  assert.equal(
    file!.bytes,
    files.reduce((sum, name) => sum + statSync(join(output, "onnx", name)).size, 0),
  );
  const config = JSON.parse(readFileSync(join(output, "config.json"), "utf8"));
  assert.deepEqual(config["transformers.js_config"], {
    dtype: "q8",
    use_external_data_format: { "model_quantized.onnx": files.length - 1 },
  });
  const [split, together] = [await AutoModelForCausalLM.from_pretrained(output), await load(whole, "q8")];
  assert.deepEqual(await generate(split, PROMPTS), await generate(together, PROMPTS));
  await Promise.all([split.dispose(), together.dispose()]);
});

test("the tokenizer goes along, with its chat template where transformers.js reads it", async () => {
  const student = join(folder, "with template");
  await writeStudent(student);
  writeFileSync(join(student, "chat_template.jinja"), "{% for m in messages %}{{ m.content }}<think>{% endfor %}");
  const output = join(folder, "export with template");
  await onnx.create({ dtypes: ["fp32"], max_file_bytes: 1e9, transformers_js: 3 })({ folder: student }, output);
  const tokenizer = await AutoTokenizer.from_pretrained(output);
  const messages = [{ role: "user", content: "12*34+5=?" }];
  assert.equal(tokenizer.apply_chat_template(messages, { tokenize: false }), "12*34+5=?<think>");
  assert.deepEqual(tokenizer.encode("12*34+5=?<think>"), loadTokenizer(student).encode("12*34+5=?<think>"));
  const generation = JSON.parse(readFileSync(join(output, "generation_config.json"), "utf8"));
  assert.deepEqual(generation, { max_length: 512, eos_token_id: eos });
});

test("a batch as transformers.js's own tokenizer pads it is continued like its texts alone", async () => {
  const { student, output } = await exported("grouped queries, tied");
  const [model, tokenizer] = [await load(output, "fp32"), await AutoTokenizer.from_pretrained(output)];
  const texts = PROMPTS.map((prompt) => loadTokenizer(student).decode(prompt));
  const inputs = tokenizer(texts, { padding: true });
  const ids = (await model.generate({ ...inputs, max_new_tokens: 12 })) as HfTensor;
  const length = inputs.input_ids.dims[1] as number;
  const found = (ids.tolist() as bigint[][]).map((row) => row.slice(length).map(Number));
  for (const [i, expected] of (await trained(student, 12)).entries())
    assert.deepEqual(found[i]!.slice(0, expected.length), expected);
  await model.dispose();
});

test("nodes come after what they need, so that every reader of ONNX takes the file", async () => {
  const model = createModel(readConfig((await exported("grouped queries, tied")).student), "student");
  const { outputs } = decoderOf(model, "float32", { keeps: true });
  const { node, input, initializer } = emitModel(outputs, targets.portable);
  const known = new Set([...input, ...initializer].map(({ name }) => name));
  for (const { opType, input, output } of node) {
    for (const name of input) assert.ok(known.has(name), `${opType} reads ${name} before it is there`);
    for (const name of output) known.add(name);
  }
  for (const name of Object.keys(outputs)) assert.ok(known.has(name));
});

test("a student that lacks something is refused in a sentence, and no export is left", async () => {
  const output = join(folder, "refused");
  const exporter = onnx.create({ dtypes: ["fp32"], max_file_bytes: 1e9, transformers_js: 3 });
  const refused = async (change: (student: string) => void, message: RegExp) => {
    const student = join(folder, "lacking");
    rmSync(student, { recursive: true, force: true });
    await writeStudent(student);
    change(student);
    await assert.rejects(exporter({ folder: student }, output), (error) => {
      assert.ok(error instanceof DistillError);
      assert.match(error.message, message);
      return true;
    });
    assert.ok(!existsSync(output));
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.endsWith(".tmp")),
      [],
    );
  };
  const edit = (name: string, changes: object) => (student: string) => {
    const path = join(student, name);
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...changes }));
  };
  await refused((student) => rmSync(join(student, "config.json")), /config\.json not found/);
  await refused((student) => rmSync(join(student, "tokenizer.json")), /tokenizer\.json not found/);
  await refused((student) => rmSync(join(student, "model.safetensors")), /holds no weights/);
  await refused(
    edit("config.json", { model_type: "gpt9" }),
    /unknown model_type "gpt9". Expected one of: gemma3_text, llama, qwen2, qwen3\./,
  );
  await refused(edit("config.json", { vocab_size: 20 }), /has \d+ tokens, and the model a vocab_size of 20/);
  await refused(
    edit("config.json", { hidden_size: 64 }),
    /has shape \[40,32\], and the model's config asks for \[40,64\]/,
  );
});

test("an export replaces an earlier one, and nothing else", async () => {
  const { student } = await exported("grouped queries, tied");
  const output = join(folder, "again");
  const exporter = onnx.create({ dtypes: ["q4"], max_file_bytes: 1e9, transformers_js: 3 });
  await exporter({ folder: student }, output);
  await exporter({ folder: student }, output);
  writeFileSync(join(output, "notes.txt"), "mine");
  await assert.rejects(exporter({ folder: student }, output), /holds notes\.txt, which is no part of an export/);
  await assert.rejects(exporter({ folder: student }, student), /would replace the model that it is made of/);
});

test("weights that half precision cannot hold are refused by name", async () => {
  const student = join(folder, "large");
  await writeStudent(student, { initializer_range: 1e5 });
  await assert.rejects(
    onnx.create({ dtypes: ["fp16"], max_file_bytes: 1e9, transformers_js: 3 })(
      { folder: student },
      join(folder, "large export"),
    ),
    /model\.embed_tokens\.weight holds .*, and half precision ends at 65504/,
  );
});

const skip = whyNoVulkan() ?? false;

test("on webgpu a file gives the logits of the CPU, and transformers.js generates the same", { skip }, async () => {
  const { student, output } = await exported("grouped queries, tied");
  const webgpu = await openDevice("webgpu");
  for (const dtype of ["fp32", "q4"] as const) {
    const path = join(output, "onnx", FILES[dtype]);
    const [here, there] = [await (await testDevice()).load(path), await webgpu.load(path)];
    const { logits } = await step(there, [text]);
    const difference = relativeDifference(logits, (await step(here, [text])).logits);
    // each provider rounds what it multiplies by blocks in its own way
    assert.ok(difference < (dtype === "fp32" ? 1e-4 : 0.05), `${dtype}: ${difference}`);
    for (const shift of dtype === "fp32" ? FAR : []) {
      const far = await step(there, [text], { shift });
      assert.ok(relativeDifference(far.logits, logits) < 1e-4, `${shift}`);
    }
    await here.release();
  }
  await webgpu.close();
  const model = await load(output, "fp32", "webgpu");
  assert.deepEqual(await generate(model, PROMPTS, 6), await trained(student, 6));
  await model.dispose();
});

after(async () => (await testDevice()).close());
