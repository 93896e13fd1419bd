import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { everyKey } from "../../src/recipe/options.ts";
import { LEADS, NONE, VALUES } from "../../src/recipe/peers.ts";
import { readPipeline } from "../../src/recipe/pipeline.ts";
import { Recipe, readRecipe } from "../../src/recipe/recipe.ts";
import { recipeSchema } from "../../src/recipe/schema.ts";
import { scratch } from "../support/students.ts";

/** What is said of the quickstart with these overrides. */
function said(...overrides: string[]): string {
  try {
    readRecipe("recipes/quickstart.yaml", overrides);
  } catch (error) {
    return (error as Error).message.replace(/^recipes\/quickstart\.yaml is not a valid recipe: /, "");
  }
  return "";
}

const SAID: [overrides: string[], sentence: string][] = [
  [
    ["trainer.max_steps= "],
    '"trainer.max_steps= " says nothing behind the =. Give a value, or trainer.max_steps=null to leave the key out.',
  ],
  [
    ["sampling=null", "dataset={path: x, split: train, subset: main}"],
    'dataset: unknown key "split" (a split is named in the path, as FOLDER:SPLIT; limit takes the first rows); dataset: unknown key "subset" (a configuration is a folder or files of its own: name them in the path).',
  ],
  [
    ["sampling=null", "dataset={mix: [{path: x, data_files: y}]}"],
    'dataset.mix[0]: unknown key "data_files" (they are dataset.path, one, a list or a pattern).',
  ],
  [["dataset=[{path: x}]"], "dataset: expected keys and values, found a list; write { mix: [ … ] }."],
  [
    ["lora={init_lora_weights: pissa}"],
    'lora: unknown key "init_lora_weights" (a new adapter begins with random A and with B of zeros).',
  ],
  [
    ['chat_template_kwargs={date: "a\\nb"}'],
    "chat_template_kwargs.date: give a text on one line, without a backslash.",
  ],
  [["chat_template_kwargs={a-b: 1}"], `chat_template_kwargs: "a-b" is no name of a key; only letters, digits and '_'.`],
  [["student.config={model_type: llama}"], 'student: "config" does not go with "path"; give one of them.'],
  [["sampling.prompts={path: x, rows: 3}"], 'sampling.prompts: "rows" does not go with "path"; give one of them.'],
  [["sampling.prompts={path: x, limt: 3}"], 'sampling.prompts: unknown key "limt" (did you mean "limit"?).'],
  [
    ["rewards=[{type: accuracy, tolerance: 3}]"],
    'rewards[0]: unknown key "tolerance": it is no option of accuracy but of code.',
  ],
  [
    ["rewards=[{type: accuracy, zzzzzz: 3}]"],
    'rewards[0]: unknown key "zzzzzz". Expected one of: profile, answer, relative_tolerance, precision, percent_sign, separator, name, weight, at_least, judge, type.',
  ],
  [
    ["trainer.type=dpo"],
    'trainer.type: unknown "dpo" (preferences are not trained on here; grpo learns from rewards). Expected one of: gkd, grpo, kd, sft.',
  ],
  [["trainer.type=3"], "trainer.type: unknown 3. Expected one of: gkd, grpo, kd, sft."],
  [["trainer.temperature=2"], 'trainer: unknown key "temperature": it is no option of sft but of gkd, grpo, kd.'],
  [["trainer=sft"], 'trainer: expected keys and values, found the text "sft"; write { type: sft }.'],
  [["trainer=[1]"], "trainer: expected keys and values, found a list."],
  [["student=models"], 'student: expected keys and values, found the text "models"; write { path: models }.'],
  [
    ["trainer.learning_rate='1e-4'"],
    'trainer.learning_rate: expected a number, found the text "1e-4"; write it without quotes.',
  ],
  [["trainer.learning_rate=-1"], "trainer.learning_rate: expected more than 0, found -1."],
  [["trainer.max_steps=1.5"], "trainer.max_steps: expected a whole number, found 1.5."],
  [["trainer.packing=yes"], 'trainer.packing: expected true or false, found the text "yes"; write true.'],
  [
    ["trainer={max_steps: null}"],
    "trainer.max_steps: expected a number, found null; leave the key out for its default.",
  ],
  [
    ["export=[{type: gguf, types: q8_0}]"],
    'export[0].types: expected a list, found the text "q8_0"; put it in brackets: [ … ].',
  ],
  [
    ["export=[{type: gguf, types: [q8_0]}, {type: onnx}, {type: gguf, types: [q4_0]}]"],
    "export[2].type: gguf is in the list already, and both would be written to export/gguf; make one of them, or use two recipes.",
  ],
  [
    ["sampling=null", "dataset={mix: {path: x}}"],
    "dataset.mix: expected a list, found keys and values; put it in brackets: [ … ].",
  ],
  [
    ["sampling=null", "dataset={mix: [{path: x, lmit: 3}]}"],
    'dataset.mix[0]: unknown key "lmit" (did you mean "limit"?).',
  ],
  [
    ["evaluation.models=[{type: llamacpp, path: x, name: a}]"],
    'evaluation.models[0].type: unknown "llamacpp" (did you mean "llama_cpp"?). Expected one of: engine, llama_cpp, openai, transformers.',
  ],
  [["sampling.prompts={generate: {type: stories}}"], "sampling.prompts.rows: not given; expected a number."],
  [["teacher={type: openai}"], "teacher.base_url: not given; expected a text or keys and values or a list."],
  [
    ["device=gpu"],
    'device: unknown "gpu" (cuda for NVIDIA, webgpu for any GPU; auto takes the one that multiplies fastest). Expected one of: cpu, webgpu, cuda, auto.',
  ],
  [["name=a b"], "name: only letters, digits, '.', '_' and '-'."],
  [
    ["teacher={type: openai, base_url: 'http://a', api_key_env: sk-123}"],
    "teacher.api_key_env: expected the name of an environment variable, not a key.",
  ],
  [["learning_rate=1e-4"], 'unknown key "learning_rate" (it is trainer.learning_rate).'],
  [["trainer.lora_alpha=16"], 'trainer: unknown key "lora_alpha" (it is lora.lora_alpha).'],
  [["num_epochs=3"], 'unknown key "num_epochs" (it is trainer.num_train_epochs).'],
  [["micro_batch_size=3"], 'unknown key "micro_batch_size" (it is trainer.per_device_train_batch_size).'],
  [["sequence_len=3"], 'unknown key "sequence_len" (it is trainer.max_length).'],
  [
    ["bf16=true"],
    'unknown key "bf16" (there is no such precision in training: trainer.precision is auto, fp32 or fp16).',
  ],
];

for (const [overrides, sentence] of SAID)
  test(`of ${overrides.join(" ")} it is said what is wrong and what is right`, () => {
    assert.equal(said(...overrides), sentence);
  });

test("of a pipeline's key that is a recipe's it is said where it belongs", () => {
  assert.throws(
    () => readPipeline("recipes/r1-zero.yaml", ["trainer.max_steps=3"]),
    /unknown key "trainer" \(it is a key of steps, such as steps\.base\.trainer\)/,
  );
  assert.throws(() => readPipeline("recipes/r1-zero.yaml", ["steps=3"]), /steps: expected keys and values, found 3\./);
});

test("numbers may have exponents", () => {
  for (const written of ["1e-4", "1.0e-4", "1E-4", "0.0001"])
    assert.equal(
      readRecipe("recipes/quickstart.yaml", [`trainer.learning_rate=${written}`]).trainer.learning_rate,
      1e-4,
    );
});

/** Keys that are led to where a recipe has them. */
const PERHAPS =
  /^(evaluation_dataset|chat_template|chat_template_kwargs|dataset\.(columns|roles)|trainer\.(train_on|on_bad_row|eval_steps|warmup_steps|early_stopping_patience))$/;

test("other tools' words lead to keys that there are, and are none themselves", () => {
  const keys = everyKey(recipeSchema(Recipe)).map(({ path }) => path);
  for (const [word, lead] of Object.entries(LEADS)) {
    assert.ok(keys.includes(lead) || PERHAPS.test(lead), `${word} leads to ${lead}, which there is not`);
    assert.ok(!(word in Recipe.shape), `${word} is a key of a recipe`);
  }
  for (const word of Object.keys(NONE)) {
    assert.ok(!(word in LEADS), `${word} is said twice`);
    assert.ok(!keys.some((path) => path.split(".").at(-1) === word), `${word} is a key`);
  }
  for (const key of Object.keys(VALUES)) assert.ok(keys.includes(key), key);
});

test("a name as the hub has it, which is no folder, is told how to be written", () => {
  const sentence = /There is no some\/model in .*\. If the one at the hub is meant, write hf:some\/model/;
  assert.match(said("student.path=some/model"), sentence);
  const folder = scratch();
  const path = join(folder, "recipe.yaml");
  writeFileSync(path, "name: a\nstudent: { path: some/model }\ndataset: { path: rows.jsonl }\n");
  assert.throws(() => readRecipe(path), sentence);
  mkdirSync(join(folder, "some"));
  assert.deepEqual(readRecipe(path).student, { path: join(folder, "some/model") });
});

test("a path is relative to what says it: the recipe's folder, or where the command runs", () => {
  const folder = scratch();
  const path = join(folder, "recipe.yaml");
  writeFileSync(path, "name: a\noutput: out\nstudent: { path: base }\ndataset: { path: rows.jsonl }\n");
  const inRecipe = readRecipe(path);
  assert.deepEqual(
    [inRecipe.output, inRecipe.student, inRecipe.dataset],
    [join(folder, "out"), { path: join(folder, "base") }, { path: join(folder, "rows.jsonl") }],
  );
  const given = readRecipe(path, ["output=out", "student.path=base", "dataset={path: rows.jsonl}", "tokenizer=hf:a/b"]);
  assert.deepEqual(
    [given.output, given.student, given.dataset, given.tokenizer],
    [resolve("out"), { path: resolve("base") }, { path: resolve("rows.jsonl") }, "hf:a/b"],
  );
});

test("a template's braces on the command line are its own", () => {
  const template = "{{ messages[0].content }}: {% if tools %}x{% endif %}";
  assert.equal(readRecipe("recipes/quickstart.yaml", [`chat_template=${template}`]).chat_template, template);
  assert.equal(readRecipe("recipes/quickstart.yaml", ["chat_template=r1"]).chat_template, "r1");
});

test("a folder and rows are no recipe", () => {
  assert.throws(() => readRecipe("recipes"), {
    name: "DistillError",
    message: "Recipe recipes is a folder. Expected a file.",
  });
  const rows = join(scratch(), "rows.jsonl");
  writeFileSync(rows, '{"a": 1}\n{"a": 2}\n');
  assert.throws(() => readRecipe(rows), { name: "DistillError", message: /rows\.jsonl is not YAML: [^\n]*[^:]\.$/ });
});
