/** @file Exports that are rounded by an importance matrix, from a recipe to the gate. */

import assert from "node:assert/strict";
import { copyFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeWholeFrom } from "../../src/core/files.ts";
import { openGguf } from "../../src/formats/gguf-reader.ts";
import { readImportance, writeImportance } from "../../src/formats/imatrix.ts";
import { distill } from "../support/cli.ts";
import { recipe, STORIES } from "../support/recipes.ts";
import { scratch } from "../support/students.ts";

const config = {
  model_type: "llama",
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 8,
  num_attention_heads: 2,
  num_key_value_heads: 1,
};
/** Ollama asks through one. */
const TEMPLATE =
  "{% for message in messages %}{% if message.role == 'user' %}?{{ message.content }}={% else %}{{ message.content }}{{ eos_token }}{% endif %}{% endfor %}";
const trainer = { max_length: 128, max_steps: 3, per_device_train_batch_size: 4 };
const limits = { "gguf-q4_0": 5, "ollama-q4_0": 5 };
const made = (importance_matrix: unknown, changes: Record<string, unknown> = {}) =>
  recipe({
    student: { config, seed: 1 },
    trainer,
    export: [{ type: "gguf", types: ["q4_0", "q8_0"], importance_matrix }],
    parity: { prompts: 1, max_completion_length: 8, texts: 5, max_mean_kl: limits },
    ...changes,
  });

const metadataOf = (path: string) => {
  const file = openGguf(path);
  file.close();
  return new Map([...file.metadata].map(([key, { value }]) => [key, value]));
};
const typesIn = (path: string) => {
  const file = openGguf(path);
  file.close();
  return new Map([...file.tensors.values()].map(({ name, type }) => [name, type]));
};

test("a run rounds its files by what the student reads of its training texts, and passes the gate", async () => {
  const place = made(
    { tokens: 700 },
    {
      export: [
        { type: "gguf", types: ["q4_0", "q8_0"], importance_matrix: { tokens: 700 } },
        { type: "ollama", type_of_weights: "q4_0", importance_matrix: { tokens: 700 } },
      ],
    },
  );
  const tokenizer = join(place.folder, "tokenizer", "tokenizer_config.json");
  const configured = JSON.parse(readFileSync(tokenizer, "utf8"));
  writeFileSync(tokenizer, JSON.stringify({ ...configured, chat_template: TEMPLATE }));
  const { code, out, err } = await distill("run", place.path);
  assert.equal(code, 0, err);
  for (const name of ["gguf-q4_0", "gguf-q8_0", "ollama-q4_0"]) assert.match(out, new RegExp(`${name}: .* mean KL`));
  const at = (name: string) => join(place.output, "export", name);

  const matrix = readImportance(at("gguf/imatrix.gguf"));
  assert.deepEqual(matrix.datasets, ["toy's training texts"]);
  assert.equal(matrix.entries.size, 8 * 7 + 1); // seven matrices a layer, and the head, which is the embedding
  for (const { count, sums } of matrix.entries.values()) assert.ok(count === 700 && sums.every((sum) => sum > 0));

  const metadata = metadataOf(at("gguf/model-q4_0.gguf"));
  assert.equal(metadata.get("quantize.imatrix.file"), "imatrix.gguf");
  assert.equal(metadata.get("quantize.imatrix.dataset"), "toy's training texts");
  assert.equal(metadata.get("quantize.imatrix.entries_count"), 57);
  assert.equal(metadata.get("quantize.imatrix.chunks_count"), 2);
  assert.equal(metadataOf(at("gguf/model-q8_0.gguf")).has("quantize.imatrix.file"), false);
  assert.equal(typesIn(at("gguf/model-q4_0.gguf")).get("blk.0.ffn_down.weight"), "Q4_1");
  assert.deepEqual(readFileSync(at("ollama/model-q4_0.gguf")), readFileSync(at("gguf/model-q4_0.gguf")));
  assert.match(
    readFileSync(join(place.output, "README.md"), "utf8"),
    /\*\*importance matrix\*\*: gguf-q4_0, ollama-q4_0: rounded by one of 700 tokens of toy's training texts/,
  );

  const before = readFileSync(at("gguf/model-q4_0.gguf"));
  assert.match((await distill("run", place.path)).out, /export: up to date/);
  rmSync(join(place.output, "export"), { recursive: true });
  const cache = join(place.output, ".distill/importance");
  for (const kept of readdirSync(cache)) truncateSync(join(cache, kept), 5000);
  const again = await distill("export", place.path);
  assert.equal(again.code, 0, again.err);
  assert.match(again.err, /it may be cut short\. It is made again\./);
  assert.deepEqual(readFileSync(at("gguf/model-q4_0.gguf")), before, "the same run gives other bytes");

  const other = await distill("export", place.path, "export.0.importance_matrix.tokens=64");
  assert.equal(other.code, 0, other.err);
  assert.match(other.out, /export: export changed/);
  assert.notDeepEqual(readFileSync(at("gguf/model-q4_0.gguf")), before);
});

/** Files of the export of a run that makes a matrix of two rows. */
const exported = scratch();

test("a matrix that is there is taken, and read again where it is another one", async () => {
  const texts = made({ dataset: { path: "rows.jsonl" }, tokens: 200 });
  const rows = ["1 + 1 =", "2 + 2 ="].map((prompt) => JSON.stringify({ prompt, completion: " 3" })).join("\n");
  writeFileSync(join(texts.folder, "rows.jsonl"), rows);
  const first = await distill("run", texts.path);
  assert.equal(first.code, 0, first.err);
  for (const name of ["imatrix.gguf", "model-q8_0.gguf"])
    copyFileSync(join(texts.output, "export/gguf", name), join(exported, name));
  const found = join(exported, "imatrix.gguf");
  assert.deepEqual(readImportance(found).datasets, ["rows.jsonl"]);

  const given = made({ path: "mine.gguf" });
  copyFileSync(found, join(given.folder, "mine.gguf"));
  const second = await distill("run", given.path);
  assert.equal(second.code, 0, second.err);
  const file = openGguf(join(given.output, "export/gguf/model-q4_0.gguf"));
  const theirs = openGguf(join(texts.output, "export/gguf/model-q4_0.gguf"));
  for (const name of file.tensors.keys()) assert.deepEqual(file.read(name), theirs.read(name), name);
  assert.equal(file.metadata.get("quantize.imatrix.file")?.value, "mine.gguf");
  file.close();
  theirs.close();

  assert.match((await distill("plan", given.path)).out, /export +up to date/);
  const matrix = readImportance(found);
  await writeWholeFrom(join(given.folder, "mine.gguf"), writeImportance({ ...matrix, chunk_count: 9 }));
  assert.match((await distill("plan", given.path)).out, /export +.*export changed/);
});

test("a matrix that is not the student's, and one that nothing could use, is refused in a sentence", async () => {
  const matrix = readImportance(join(exported, "imatrix.gguf"));
  const entries = new Map([...matrix.entries].filter(([name]) => !/^blk\.[1-7]\./.test(name))); // of a model of one layer
  const place = made({ path: "small.gguf" });
  await writeWholeFrom(join(place.folder, "small.gguf"), writeImportance({ ...matrix, entries }));
  const { code, err } = await distill("run", place.path);
  assert.equal(code, 1);
  assert.match(
    err,
    /The importance matrix small\.gguf is of another model: it has nothing for "blk\.1\.attn_q\.weight"\./,
  );

  copyFileSync(join(exported, "model-q8_0.gguf"), join(place.folder, "small.gguf"));
  assert.match(
    (await distill("run", place.path)).err,
    /small\.gguf is no importance matrix: its general\.type is "model"\. Expected "imatrix"/,
  );

  for (const type of ["onnx", "web", "gguf_lora"]) {
    const recipe = made(undefined, { export: [{ type, importance_matrix: { tokens: 10 } }] });
    assert.match(
      (await distill("run", recipe.path)).err,
      new RegExp(`export\\[0\\]: unknown key "importance_matrix": it is no option of ${type} but of gguf, ollama`),
    );
  }
  const grpo = made(
    { tokens: 10 },
    {
      dataset: undefined,
      trainer: { type: "grpo", prompts: { path: join(STORIES, "train.jsonl") }, max_completion_length: 8 },
      rewards: [{ type: "accuracy" }],
    },
  );
  assert.match(
    (await distill("run", grpo.path)).err,
    /export\[0\]\.importance_matrix: the trainer grpo has no texts of its own that the student could read; give dataset, or path/,
  );
  const absent = made({ path: "absent.gguf" });
  assert.match((await distill("run", absent.path)).err, /The importance matrix not found: .*absent\.gguf\./);
  const both = made({ path: "a.gguf", tokens: 10 });
  assert.match((await distill("run", both.path)).err, /"tokens" does not go with "path"; give one of them/);
});
