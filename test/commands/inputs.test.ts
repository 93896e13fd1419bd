import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { modelInput, questions, readAllQuestions } from "../../src/commands/stages/context.ts";
import { cacheOf } from "../../src/commands/stages/example-cache.ts";
import { trainStage } from "../../src/commands/stages/train.ts";
import { allOf } from "../../src/data/example-store.ts";
import { readExamples } from "../../src/data/examples.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { evaluationsOf, recipeOf } from "../../src/recipe/recipe.ts";
import { plainRunFolder } from "../../src/store/run-folder.ts";
import { llama_cpp } from "../../src/teachers/llama_cpp.ts";
import type { ModelFile } from "../../src/teachers/teacher.ts";
import { transformers } from "../../src/teachers/transformers.ts";
import { scratch, TOKENIZER } from "../support/students.ts";

const OPTIONS = { max_length: 64, overlength: "drop" } as const;
const row = (completion: string) => `${JSON.stringify({ prompt: "1+1=?", completion })}\n`;

test("examples are kept under the key of what was read, and not at all where that was changed meanwhile", async () => {
  const tokenizer = loadTokenizer(TOKENIZER);
  const folder = scratch();
  const [path, run] = [join(folder, "rows.jsonl"), plainRunFolder(join(folder, "run"))];
  const cache = () => cacheOf({ folder: run, hub: new Map() }, { path }, tokenizer);
  const examples = async (given = cache()) =>
    (await readExamples({ path }, tokenizer, OPTIONS, undefined, given))!.segments;
  const kept = () => (existsSync(cache().folder) ? readdirSync(cache().folder) : []);

  writeFileSync(path, row("2"));
  const before = cache();
  writeFileSync(path, row("3"));
  await assert.rejects(examples(before), {
    name: "DistillError",
    message: /rows\.jsonl or its tokenizer was changed while it was read\. Run the same command again\.$/,
  });
  assert.deepEqual(kept(), []);

  const [three] = allOf(await examples());
  assert.deepEqual(kept(), [cache().key]);
  writeFileSync(path, row("2"));
  assert.equal(cache().key, before.key);
  const [two] = allOf(await examples(before));
  assert.notDeepEqual(two!.tokens, three!.tokens);
  assert.deepEqual(tokenizer.decode(two!.tokens), "1+1=?2<eos>");
});

test("what a model answers hangs on every file that is read of it, wherever it lies, and on no other", () => {
  const models: [kind: ModelFile, path: string, read: string[], others: string[]][] = [
    [
      transformers.file!,
      "onnx/model_q4.onnx",
      ["onnx/model_q4.onnx", "onnx/model_q4.onnx_data", "onnx/model_q4.onnx_data_1", "config.json", "tokenizer.json"],
      ["onnx/model.onnx", "onnx/model.onnx_data", "README.md"],
    ],
    [llama_cpp.file!, "model-q8_0.gguf", ["model-q8_0.gguf"], ["model-f16.gguf", "config.json"]],
    [
      llama_cpp.file!,
      "big-00001-of-00003.gguf",
      ["big-00001-of-00003.gguf", "big-00002-of-00003.gguf", "big-00003-of-00003.gguf"],
      ["big-00001-of-00002.gguf", "bigger-00002-of-00003.gguf", "big.gguf"],
    ],
  ];
  for (const [kind, path, read, others] of models) {
    const place = (changed?: string) => {
      const folder = join(scratch(), "model");
      for (const name of [...read, ...others]) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), name === changed ? "other" : name);
      }
      return join(folder, path);
    };
    const input = (file: string, hub = new Map<string, string>()) =>
      modelInput({ hub, folder: plainRunFolder(scratch()) }, kind, file, "The file");
    const before = input(place());
    assert.deepEqual(Object.keys(before), read.length > 1 ? ["file", "beside"] : ["file"], path);
    for (const name of read) assert.notDeepEqual(input(place(name)), before, name);
    for (const name of others) assert.deepEqual(input(place(name)), before, name);
    const fetched = place();
    assert.deepEqual(input(fetched, new Map([[fetched, "hf:a/b@commit"]])), { file: "hf:a/b@commit" });
  }
});

test("the questions of a source are read once, so that a key says what was asked", async () => {
  const path = join(scratch(), "prompts.jsonl");
  writeFileSync(path, '{"prompt":"a","answer":"1"}\n');
  const keys = {
    name: "asked",
    student: { path: "none" },
    dataset: { path: "none" },
    evaluation: { prompts: { path } },
  };
  const [first, second] = [recipeOf(keys, "asked", scratch()), recipeOf(keys, "asked", scratch())];
  const promptIn = (recipe: typeof first) => questions(evaluationsOf(recipe)[0]!.prompts, "test", [])[0]!.prompt;
  await readAllQuestions(first);
  writeFileSync(path, '{"prompt":"b","answer":"2"}\n');
  await readAllQuestions(first);
  await readAllQuestions(second);
  assert.deepEqual([promptIn(first), promptIn(second)], ["a", "b"]);
  const generated = { generate: { type: "arithmetic" }, rows: 3, seed: 1 };
  assert.notDeepEqual(questions(generated, "train", []), questions(generated, "test", []));
});

test("what a student learns from its own answers hangs on the template through which it is asked", async () => {
  const base = join(scratch(), "base");
  cpSync("data/models/stories-base", base, { recursive: true });
  const config = JSON.parse(readFileSync(join(base, "tokenizer_config.json"), "utf8"));
  const without = (chat_template: string | undefined) =>
    writeFileSync(join(base, "tokenizer_config.json"), JSON.stringify({ ...config, chat_template }));
  const input = async (teacher: object | undefined, hub = new Map<string, string>()) => {
    const keys = {
      name: "small",
      student: { path: base },
      ...(teacher ? { teacher: { type: "llama_cpp", ...teacher } } : {}),
      rewards: [{ type: "accuracy" }],
      trainer: { type: "grpo", max_length: 64, prompts: { path: resolve("data/stories/train.jsonl"), limit: 2 } },
    };
    const recipe = recipeOf(keys, "small", scratch());
    await readAllQuestions(recipe);
    return trainStage({ recipe, folder: plainRunFolder(scratch()), hub }).inputs().template;
  };
  const path = resolve("data/models/stories-teacher-q8_0.gguf");
  without(undefined);
  assert.equal(await input(undefined), undefined);
  assert.equal(await input({ path, chat_template: "r1" }), "r1");
  assert.match((await input({ path })) as string, /\{%.*messages/s);
  const absent = "/not/here/model.gguf"; // what a plan has of the hub
  assert.equal(
    await input({ path: absent }, new Map([[absent, "hf:a/b@commit:model.gguf"]])),
    "hf:a/b@commit:model.gguf",
  );
  without("{{ messages }}");
  assert.equal(await input({ path }), undefined);
});
