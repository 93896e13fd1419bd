import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { readTraces } from "../../src/data/traces.ts";
import { distill } from "../support/cli.ts";
import { scratch } from "../support/students.ts";

const STORIES = [
  ["Mia has 4 shells and finds 9 more. How many has she now?", "13"],
  ["Tom had 20 cards and lost 6 of them. How many has he now?", "14"],
  ["There are 3 boxes of 5 pens. How many pens are there?", "15"],
  ["Ana shares 12 nuts with a friend. How many has each?", "6"],
] as const;

const write = (path: string, rows: readonly object[]) =>
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join("\n"));

/** A run that learns pairs by heart, and is asked the same questions. */
function byHeart(
  keys: object,
  rows: readonly object[] = STORIES.map(([prompt, completion]) => ({ prompt, completion })),
) {
  const folder = scratch();
  write(join(folder, "pairs.jsonl"), rows);
  write(
    join(folder, "asked.jsonl"),
    STORIES.map(([prompt, answer]) => ({ prompt, answer })),
  );
  const path = join(folder, "recipe.yaml");
  const recipe = {
    name: "by-heart",
    output: "run",
    device: "cpu",
    threads: 1,
    student: { path: resolve("data/models/stories-base") },
    dataset: { path: "pairs.jsonl" },
    trainer: { max_steps: 40, learning_rate: 3e-3, max_length: 64, packing: false, per_device_train_batch_size: 4 },
    export: [
      { type: "gguf", types: ["f32"] },
      { type: "onnx", dtypes: ["fp32"] },
    ],
    parity: { prompts: 1, max_completion_length: 8, texts: 2 },
    evaluation: {
      prompts: { path: "asked.jsonl" },
      num_generations: 1,
      temperature: 0,
      max_completion_length: 8,
      models: ["student", "student-gguf-f32", "student-onnx-fp32"],
    },
    ...keys,
  };
  writeFileSync(path, JSON.stringify(recipe));
  return { path, run: join(folder, "run"), folder };
}

const TEMPLATE =
  "{% for m in messages %}{{ m.role[0] + ': ' + m.content + (eos_token if m.role == 'assistant' else '') + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'a: ' }}{% if tone %}{{ tone }}{% endif %}{% endif %}";

/** The model that learns, without a template of its own. */
function withoutTemplate(): string {
  const folder = scratch();
  cpSync("data/models/stories-base", folder, { recursive: true });
  rmSync(join(folder, "chat_template.jinja"), { force: true });
  const path = join(folder, "tokenizer_config.json");
  const { chat_template: _, ...config } = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify(config));
  return folder;
}

const RENDERINGS: Record<string, { keys: object; asked: (prompt: string) => string; kept?: RegExp }> = {
  "a student with a chat template": { keys: {}, asked: (prompt) => prompt },
  "one that is asked without it": {
    keys: { chat_template: "plain" },
    asked: (prompt) => prompt,
    kept: /^\{% for message in messages %\}\{\{ message\.content \}\}/,
  },
  "one with another template": {
    keys: { chat_template: TEMPLATE, chat_template_kwargs: { tone: "well, " } },
    asked: (prompt) => `u: ${prompt}\na: well, `,
    kept: /^\{%- set tone = "well, " -%\}/,
  },
  "one that had none": {
    keys: { student: { path: withoutTemplate() }, chat_template: TEMPLATE, chat_template_kwargs: { tone: "well, " } },
    asked: (prompt) => `u: ${prompt}\na: well, `,
    kept: /^\{%- set tone = "well, " -%\}/,
  },
};

for (const [what, { keys, asked, kept }] of Object.entries(RENDERINGS))
  test(`${what} answers what it was trained on, from its weights and from its exports`, async () => {
    const { path, run } = byHeart(keys);
    const { code, err, out } = await distill("run", path);
    assert.equal(code, 0, err);
    for (const name of ["student", "student-gguf-f32", "student-onnx-fp32"]) {
      const traces = [...readTraces(join(run, "evaluation/traces", name))];
      assert.deepEqual(
        traces.map(({ prompt_text }) => prompt_text).sort(),
        STORIES.map(([prompt]) => asked(prompt)).sort(),
        name,
      );
      assert.deepEqual(
        traces.map(({ verdict }) => verdict),
        STORIES.map(() => "correct"),
        `${name}: ${out}`,
      );
    }
    const config = (folder: string) => JSON.parse(readFileSync(join(run, folder, "tokenizer_config.json"), "utf8"));
    if (kept) for (const folder of ["student", "export/onnx"]) assert.match(config(folder).chat_template, kept);
    assert.ok(!existsSync(join(run, "student/chat_template.jinja")));
  });

test("pairs are trained on as the same turns are", async () => {
  const run = async (rows?: readonly object[]) => {
    const { path, run } = byHeart(
      { export: [], evaluation: undefined, trainer: { max_steps: 5, max_length: 64, packing: false } },
      rows,
    );
    const { code, err } = await distill("train", path);
    assert.equal(code, 0, err);
    return readFileSync(join(run, "student/model.safetensors"));
  };
  const turns = STORIES.map(([content, answer]) => ({
    messages: [
      { role: "user", content },
      { role: "assistant", content: answer },
    ],
  }));
  assert.deepEqual(await run(turns), await run());
});

test("another template is another training, and inspect says which one it is", async () => {
  const { path } = byHeart({ export: [], evaluation: undefined, trainer: { max_steps: 2, max_length: 64 } });
  assert.equal((await distill("train", path)).code, 0);
  assert.match((await distill("plan", path)).out, /train +up to date/);
  assert.match(
    (await distill("plan", path, "chat_template=plain")).out,
    /train +due: chat_template changed|train.*chat_template/,
  );
  assert.match((await distill("inspect", path)).out, /template +the tokenizer's own chat template/);
  const plain = await distill("inspect", path, "chat_template=plain");
  assert.match(plain.out, /template +plain/);
  assert.match(plain.out, /How many has she now\?«13<\|end\|>»/);
});

test("rows that cannot be used are all named, or left out, counted and said each time", async () => {
  const rows = [
    { prompt: "a", completion: "b", source: "here" },
    { prompt: "a", completion: "<think> open" },
    { ask: "a" },
    { prompt: "a", completion: "The <think> tag opens a block." },
  ];
  const { path } = byHeart({ export: [], evaluation: undefined, trainer: { max_steps: 2, max_length: 64 } }, rows);
  const refused = await distill("train", path);
  assert.equal(refused.code, 1);
  assert.match(
    refused.err,
    /Error: 3 of 4 rows of .*pairs\.jsonl cannot be used\. .*line 2: the completion opens.*line 3 has ask\. .*line 4: the completion opens.* trainer\.on_bad_row: skip leaves such rows out\.\n$/,
  );
  for (const steps of [2, 3]) {
    const { code, err } = await distill("train", path, "trainer.on_bad_row=skip", `trainer.max_steps=${steps}`);
    assert.equal(code, 0, err);
    assert.match(err, /3 of 4 rows of .*pairs\.jsonl cannot be used, and were left out\. .*line 2.*line 3.*line 4/);
    assert.match(err, /Not read of .*pairs\.jsonl: source\./);
  }
  const none = await distill(
    "train",
    path,
    "trainer.on_bad_row=skip",
    "dataset.columns={prompt: ask, completion: ask}",
  );
  assert.equal(none.code, 0, none.err);
});

test("datasets of a mix come as often as their weights say, and several files as one", async () => {
  const { path, folder } = byHeart({ export: [], evaluation: undefined, trainer: { max_steps: 1, max_length: 64 } });
  const more = join(folder, "more.csv");
  writeFileSync(more, `question,answer\n${Array.from({ length: 40 }, (_, i) => `q${i},${i}`).join("\n")}\n`);
  const count = async (dataset: object) => {
    const { out, err, code } = await distill("inspect", path, "--rows", "0", `dataset=${JSON.stringify(dataset)}`);
    assert.equal(code, 0, err);
    return Number(/rows +([\d,]+)/.exec(out)![1]);
  };
  assert.equal(await count({ path: [join(folder, "pairs.jsonl"), more] }), 44);
  const pairs = { path: join(folder, "pairs.jsonl"), weight: 3 };
  assert.equal(await count({ mix: [pairs, { path: more }] }), 52);
  const some = await count({ mix: [pairs, { path: more, weight: 0.5 }] });
  assert.ok(some > 12 + 10 && some < 12 + 30, String(some));
  assert.equal(await count({ mix: [pairs, { path: more, weight: 0.5 }] }), some);
});
