import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeFolder } from "../../../src/core/files.ts";
import { loadTokenizer } from "../../../src/data/tokenizer.ts";
import { gguf } from "../../../src/exporters/gguf.ts";
import { int32s, string, strings, uint32, writeGguf } from "../../../src/formats/gguf.ts";
import { openGguf } from "../../../src/formats/gguf-reader.ts";
import { createModel, loadWeights, type ModelConfig, readConfig } from "../../../src/models/load.ts";
import { gguf as packed } from "../../../src/student/packed/gguf.ts";
import { loadOnProcessor } from "../../../src/teachers/llama-cpp/start.ts";
import { testDevice } from "../../support/finite-differences.ts";
import { ourLogits, writeModel } from "../../support/models.ts";
import { strangeStrings } from "../../support/strings.ts";
import { scratch } from "../../support/students.ts";
import { TOY } from "../../support/training.ts";

const { cases } = JSON.parse(readFileSync("test/reference/families.json", "utf8")) as {
  cases: Record<string, { config: ModelConfig }>;
};
const CONFIGS: Record<string, ModelConfig> = {
  ...Object.fromEntries(Object.entries(cases).map(([name, { config }]) => [name, config])),
  "llama with a head of its own": { ...TOY, tie_word_embeddings: false },
  "llama with Llama 3's scaling": {
    ...TOY,
    head_dim: 32,
    rope_theta: 500_000,
    rope_scaling: {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    },
  },
};
const folder = scratch();
const REAL = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
const TEXTS = ["12 * 34 = 408", "<think>7+8</think>\n<answer>15</answer>"];

async function unpacked(source: string, name: string, type: "f32" | "q8_0" | "q4_0" | "bf16" = "f32") {
  const [file] = await gguf.create({ types: [type] })({ folder: source }, join(folder, `${name}-${type}-gguf`));
  const target = join(folder, `${name}-${type}-unpacked`);
  await packed.unpack(file!.path, target);
  return { path: file!.path, target };
}

for (const [name, config] of Object.entries(CONFIGS))
  test(`${name}: a folder from its GGUF file is the same model with the same tokenizer`, async () => {
    const source = await writeModel(join(folder, name), config);
    const { path, target } = await unpacked(source, name);
    const read = readConfig(target);
    const [before, after] = [createModel(config, source), createModel(read, target)];
    assert.deepEqual(after.parameters, before.parameters);
    const offset = config.model_type === "gemma3_text"; // its norms are stored with 1 added, which rounds once
    const [theirs, ours] = [[...loadWeights(source, before)], [...loadWeights(target, after)]];
    // a scale of the scores that llama.cpp does not read is part of the norm of queries from then on
    for (const [i, { data, name: weight }] of ours.entries())
      if (weight.endsWith("q_norm.weight") && config.query_pre_attn_scalar !== read.query_pre_attn_scalar) continue;
      else if (offset && weight.endsWith("norm.weight"))
        assert.ok(
          data.every((x, k) => Math.abs(x - theirs[i]!.data[k]!) < 1e-6),
          weight,
        );
      else assert.deepEqual(data, theirs[i]!.data, weight);
    // and once it is rounded it stays
    const again = await unpacked(target, `${name}-again`);
    const [first, second] = [openGguf(path), openGguf(again.path)];
    assert.deepEqual([...second.tensors.keys()], [...first.tensors.keys()]);
    for (const tensor of first.tensors.keys()) assert.deepEqual(second.read(tensor), first.read(tensor), tensor);
    first.close();
    second.close();
    assert.deepEqual(
      readFileSync(join(again.target, "model.safetensors")),
      readFileSync(join(target, "model.safetensors")),
    );
    assert.deepEqual(readConfig(again.target), read);

    const device = await testDevice();
    const tokens = Array.from({ length: 40 }, (_, i) => (i * 7) % 40);
    const [a, b] = [await ourLogits(device, source, config, tokens), await ourLogits(device, target, read, tokens)];
    assert.ok(a.every((logit, i) => Math.abs(logit - b[i]!) < 1e-4));

    const [tokenizer, same] = [loadTokenizer(source), loadTokenizer(target)];
    for (const text of TEXTS) {
      assert.deepEqual(same.encode(text), tokenizer.encode(text));
      assert.equal(same.decode(same.encode(text)), text);
    }
    assert.deepEqual([same.eos, same.bos, same.template], [tokenizer.eos, tokenizer.bos, tokenizer.template]);
    if (same.template) {
      const turn = [{ role: "user", content: "12 * 34" }];
      assert.equal(same.render(turn, { generate: true }), tokenizer.render(turn, { generate: true }));
    }
  });

test("blocks are widened, and quantising what they hold gives them again", async () => {
  const source = await writeModel(join(folder, "wide"), { ...TOY, hidden_size: 64, intermediate_size: 96 });
  for (const type of ["q8_0", "q4_0", "bf16"] as const) {
    const { target } = await unpacked(source, "wide", type);
    const weights = [...loadWeights(target, createModel(readConfig(target), target))];
    const originals = [...loadWeights(source, createModel(readConfig(source), source))];
    for (const [i, { data, shape, name }] of weights.entries()) {
      if (shape.length === 1) continue;
      const largest = originals[i]!.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
      const off = data.reduce((m, x, k) => Math.max(m, Math.abs(x - originals[i]!.data[k]!)), 0);
      assert.ok(off > 0 && off < largest * { q8_0: 0.005, q4_0: 0.13, bf16: 0.005 }[type], `${name} is off by ${off}`);
    }
    const again = await unpacked(target, `wide-${type}`, type);
    if (type !== "q4_0")
      // blocks of four bits are not idempotent: their scale is signed by the largest value
      assert.deepEqual(
        readFileSync(join(again.target, "model.safetensors")),
        readFileSync(join(target, "model.safetensors")),
      );
  }
});

test("special tokens are in the vocabulary too, because Python's tokenizers numbers them anew where they are not", async () => {
  const target = join(folder, "stories-unpacked");
  await writeFolder(target, (into) => packed.unpack("data/models/stories-teacher-q8_0.gguf", into));
  const { added_tokens, model } = JSON.parse(readFileSync(join(target, "tokenizer.json"), "utf8")) as {
    added_tokens: { id: number; content: string }[];
    model: { vocab: Record<string, number> };
  };
  assert.ok(added_tokens.length > 0);
  for (const { id, content } of added_tokens) assert.equal(model.vocab[content], id, content);
});

test("what cannot be read as a known model is refused in a sentence", async () => {
  const source = await writeModel(join(folder, "odd"), TOY);
  const [file] = await gguf.create({ types: ["f32"] })({ folder: source }, join(folder, "odd-gguf"));
  const whole = openGguf(file!.path);
  const rewritten = async (name: string, change: (metadata: Map<string, never>) => void, drop = "") => {
    const metadata = new Map(whole.metadata) as Map<string, never>;
    change(metadata);
    const path = join(folder, `${name}.gguf`);
    const tensors = [...whole.tensors.values()].filter((tensor) => tensor.name !== drop);
    const pieces: Uint8Array[] = [];
    for await (const piece of writeGguf(metadata, tensors, (i) => whole.read(tensors[i]!.name))) pieces.push(piece);
    writeFileSync(path, Buffer.concat(pieces));
    return writeFolder(join(folder, `${name}-out`), (into) => packed.unpack(path, into));
  };
  const set = (key: string, value: unknown) => (metadata: Map<string, never>) => metadata.set(key, value as never);
  const refused: [string, Promise<void>, RegExp][] = [
    ["architecture", rewritten("a", set("general.architecture", string("mamba"))), /unknown architecture "mamba"/],
    ["layers", rewritten("b", set("llama.block_count", uint32(2 ** 31 - 1))), /claims 2147483647 layers/],
    ["missing", rewritten("c", (m) => m.delete("llama.embedding_length")), /no key "llama.embedding_length"/],
    ["a type", rewritten("d", set("llama.embedding_length", string("32"))), /is string, not one number/],
    ["tensor", rewritten("e", () => {}, "blk.0.attn_q.weight"), /no tensor "blk.0.attn_q.weight"/],
    ["shape", rewritten("f", set("llama.feed_forward_length", uint32(32))), /has the shape \[48,32\]|has the shape/],
    ["scaling", rewritten("g", set("llama.rope.scaling.type", string("yarn"))), /rope.scaling.type is "yarn"/],
    ["pre", rewritten("h", set("tokenizer.ggml.pre", string("odd"))), /pre-tokenizer is "odd"/],
    ["kind", rewritten("i", set("tokenizer.ggml.model", string("bert"))), /its model is "bert"/],
    ["tokens", rewritten("j", set("tokenizer.ggml.tokens", strings(["a"]))), /types for/],
    ["merges", rewritten("k", set("tokenizer.ggml.merges", strings(["q q"]))), /merge "q q" makes no token/],
    ["types", rewritten("l", set("tokenizer.ggml.token_type", int32s([1]))), /types for 1/],
    ["eos", rewritten("m", set("tokenizer.ggml.eos_token_id", uint32(4000))), /eos token is 4000/],
    ["heads", rewritten("n", set("llama.attention.key_length", uint32(2 ** 30))), /heads have a size/],
  ];
  for (const [what, attempt, sentence] of refused) await assert.rejects(attempt, sentence, what);
  for (const name of "abcdefghijklmn") assert.ok(!existsSync(join(folder, `${name}-out`)));
  whole.close();
});

test(
  "a real file's tokenizer encodes 1,000 texts of many scripts as llama.cpp does",
  { skip: !existsSync(REAL) && `${REAL} is not there` },
  async () => {
    const target = join(folder, "real");
    await writeFolder(target, (into) => packed.unpack(REAL, into));
    const tokenizer = loadTokenizer(target);
    const { model } = await loadOnProcessor({ modelPath: REAL, vocabOnly: true });
    for (const text of strangeStrings(1000)) {
      assert.deepEqual(tokenizer.encode(text), model.tokenize(text, true), JSON.stringify(text));
      assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
    }
    await model.dispose();
  },
);
