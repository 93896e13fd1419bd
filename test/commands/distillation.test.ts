import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { readDataset } from "../../src/data/dataset-folder.ts";
import { readLedger } from "../../src/data/ledger.ts";
import { readLikely, storedRows } from "../../src/data/likely.ts";
import { rowsIn } from "../../src/data/traces.ts";
import { distill } from "../support/cli.ts";
import { MODELS, STORIES, storiesRecipe, STORIES_TEACHER as teacher } from "../support/recipes.ts";

const trainer = { type: "kd", top_logprobs: 4, max_length: 320, max_steps: 3, learning_rate: 1e-3 };

const recipe = (changes: Record<string, unknown>) => storiesRecipe({ trainer, ...changes });

const sampling = {
  prompts: { path: join(STORIES, "train.jsonl"), limit: 6 },
  num_generations: 1,
  temperature: 1,
  max_completion_length: 320,
  top_logprobs: 8,
};
const rewards = [{ type: "accuracy" }];

const onlyFolder = (path: string) => join(path, readdirSync(path)[0]!);
const resultOf = (output: string, stage: string) =>
  JSON.parse(readFileSync(join(output, "manifest.json"), "utf8")).stages[stage].result;

const sampled = recipe({ teacher, sampling, rewards });

test("kd learns from what was stored with the traces, and from the same examples scored by teacher forcing, alike", async () => {
  const { code, out, err } = await distill("train", sampled.path);
  assert.equal(code, 0, err);
  assert.match(out, /4 most likely tokens in \d+ examples, 0 of them scored now; 0\.\d+ % of its probability/);
  const { examples, scored, tokens_scored, tail } = resultOf(sampled.output, "logprobs");
  assert.ok(examples >= 3 && scored === 0 && tokens_scored === 0 && tail > 0 && tail < 0.01);
  const metrics = readFileSync(join(sampled.output, "metrics.jsonl"), "utf8").trim().split("\n");
  const { tail: logged, forward_kl, cross_entropy } = JSON.parse(metrics[0]!);
  assert.ok(logged > 0 && forward_kl > 0 && cross_entropy > 0);

  // what a reader of the traces finds: probabilities that sum to one
  for await (const { token_ids, tokens } of storedRows(join(sampled.output, "dataset"))) {
    assert.equal(tokens.length, token_ids.length);
    for (const { ids, logprobs, tail } of tokens) {
      assert.equal(ids.length, 8);
      assert.ok(Math.abs(logprobs.reduce((sum, x) => sum + Math.exp(x), 0) + tail - 1) < 1e-5);
    }
  }

  // the same rows as another tool would have written them
  const rows = [...readDataset(join(sampled.output, "dataset"))].flatMap(({ table }) => [
    ...rowsIn<{ prompt: string; completion: string }>(table),
  ]);
  const pairs = join(mkdtempSync(join(tmpdir(), "pairs-")), "pairs.jsonl");
  writeFileSync(pairs, rows.map(({ prompt, completion }) => `${JSON.stringify({ prompt, completion })}\n`).join(""));
  const forced = recipe({ teacher, dataset: { path: pairs } });
  const second = await distill("train", forced.path);
  assert.equal(second.code, 0, second.err);
  assert.equal(resultOf(forced.output, "logprobs").scored, examples);
  assert.ok(resultOf(forced.output, "logprobs").tokens_scored > 100 * examples);

  const [stored, found] = [sampled, forced].map(({ output }) => {
    const folder = onlyFolder(join(output, "logprobs"));
    return readLikely({ folder, key: folder.split("/").at(-1)! });
  });
  for (let i = 0; i < examples; i++) {
    const [a, b] = [stored!.of(i), found!.of(i)];
    assert.deepEqual(a.tail.length, b.tail.length);
    // llama.cpp computes a text at once and token by token a little differently
    for (const [k, logprob] of a.logprobs.entries())
      assert.ok(
        Math.abs(Math.exp(logprob) - Math.exp(b.logprobs[k]!)) < 0.02,
        `example ${i}: ${logprob}, ${b.logprobs[k]}`,
      );
  }
  assert.match((await distill("train", forced.path)).out, /Everything was up to date/);
});

test("more tokens a place than are stored are scored anew, and what is scored is kept when other settings change", async () => {
  const more = await distill("train", sampled.path, "trainer.top_logprobs=12");
  assert.equal(more.code, 0, more.err);
  assert.ok(resultOf(sampled.output, "logprobs").tokens_scored > 0);
  const back = await distill("train", sampled.path, "trainer.learning_rate=0.002");
  assert.match(back.out, /logprobs: [\s\S]*0 of them scored now/);
  assert.equal(readdirSync(join(sampled.output, "logprobs")).length, 2);
});

test("what is likely is looked for anew where the examples are tokenised by another tokenizer", async () => {
  const tokenizer = mkdtempSync(join(tmpdir(), "tokenizer-"));
  for (const name of ["tokenizer.json", "tokenizer_config.json"])
    writeFileSync(join(tokenizer, name), `${readFileSync(join(MODELS, "stories-base", name), "utf8")}\n`);
  const { code, out, err } = await distill("train", sampled.path, `tokenizer=${tokenizer}`);
  assert.equal(code, 0, err);
  assert.match(out, /logprobs: tokenizer changed from/);
});

test("gkd: the student answers, and what it wrote is kept in a ledger", async () => {
  const prompts = { path: join(STORIES, "train.jsonl"), limit: 12 };
  const own = {
    type: "gkd",
    prompts,
    prompts_per_step: 4,
    lmbda: 1,
    max_new_tokens: 24,
    max_length: 320,
    max_steps: 3,
  };
  const { path, output } = recipe({ teacher, trainer: own });
  const first = await distill("train", path);
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /computed beside the student, over all of its 588 tokens/);
  const rows = [...readLedger(onlyFolder(join(output, "rollouts")))].flatMap(({ table }) => [
    ...rowsIn<{ step: number; prompt_id: string; completion: string; token_ids: number[] }>(table),
  ]);
  assert.deepEqual(
    rows.map(({ step }) => step),
    [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3],
  );
  assert.equal(new Set(rows.map(({ prompt_id }) => prompt_id)).size, 12);
  assert.ok(rows.every(({ token_ids, completion }) => token_ids.length > 0 && typeof completion === "string"));
  assert.equal(resultOf(output, "train").prompts, 12);

  const top = await distill("train", path, "trainer.top_logprobs=5", "trainer.max_steps=1");
  assert.match(top.out, /gives its 5 most likely tokens, and the probability of all others as one\./);
  assert.match(readFileSync(join(output, "metrics.jsonl"), "utf8"), /"tail":/);
});

/** What is wrong, and what is said of it. */
const REFUSED: [what: string, changes: Record<string, unknown>, said: RegExp][] = [
  [
    "examples without log-probabilities and no teacher",
    { dataset: { path: "pairs.jsonl" } },
    /^Error: 1 of 1 examples have no log-probabilities of a teacher: none are stored with them, or name the teacher that is to score them\.$/m,
  ],
  [
    "more tokens than the teacher has",
    { teacher, dataset: { path: "pairs.jsonl" }, trainer: { ...trainer, top_logprobs: 600 } },
    /trainer\.top_logprobs is 600, and the teacher stories-teacher-q8_0\.gguf has 588 tokens\. Lower it\./,
  ],
  [
    "a teacher with another vocabulary",
    { teacher, dataset: { path: "pairs.jsonl" }, tokenizer: resolve("data/arithmetic"), student: { config: TINY() } },
    /do not have the same tokens, .* differ in \d+ of \d+ \(\d+ is ".*" and ".*"; \d+ is .*; \d+ is .*\)/,
  ],
  [
    "another temperature than that of what is stored",
    { teacher, dataset: { path: "pairs.jsonl" }, trainer: { ...trainer, temperature: 2 } },
    /trainer\.temperature: what is stored is the teacher's distribution at temperature 1; .* Leave it out/,
  ],
  [
    "questions where a dataset is needed",
    { dataset: { path: join(STORIES, "train.jsonl") }, trainer: { type: "sft", max_length: 320 } },
    /train\.jsonl, line 1 has .*prompt.* These are questions without completions: give them to sampling\.prompts/,
  ],
  [
    "conversations where questions are needed",
    { teacher, trainer: { type: "gkd", prompts: { path: "chats.jsonl" }, lmbda: 1 } },
    /chats\.jsonl, line 1 has messages\. .* These are conversations with their answers: a dataset to train on/,
  ],
  [
    "gkd without a teacher",
    { trainer: { type: "gkd", prompts: { path: join(STORIES, "train.jsonl") }, lmbda: 1 } },
    /teacher: the trainer gkd asks a teacher at every step; name it/,
  ],
  ["gkd without prompts", { teacher, trainer: { type: "gkd", lmbda: 1 } }, /trainer\.prompts: /],
  [
    "gkd that is to learn from a dataset too, without one",
    { teacher, trainer: { type: "gkd", prompts: { path: join(STORIES, "train.jsonl") } } },
    /dataset: the trainer gkd learns from a dataset in the steps that the student does not write itself: give one, .* or trainer\.lmbda 1/,
  ],
  [
    "a dataset that nothing would read",
    {
      teacher,
      dataset: { path: "pairs.jsonl" },
      trainer: { type: "gkd", prompts: { path: join(STORIES, "train.jsonl") }, lmbda: 1 },
    },
    /dataset: the trainer gkd makes its examples from trainer\.prompts; leave it out/,
  ],
  [
    "a prompt that leaves no room for an answer",
    {
      teacher,
      trainer: { type: "gkd", prompts: { path: join(STORIES, "train.jsonl"), limit: 3 }, lmbda: 1, max_length: 16 },
    },
    /Prompt ".*" has \d+ tokens, which leaves no room for an answer in trainer\.max_length 16\. Raise it/,
  ],
];

function TINY() {
  return { model_type: "llama", hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2 };
}

for (const [what, changes, said] of REFUSED)
  test(`refused in a sentence: ${what}`, async () => {
    const { path, output } = recipe(changes);
    const [prompt, completion] = ["What is 1 + 1?", "It is 2."];
    writeFileSync(join(path, "../pairs.jsonl"), `${JSON.stringify({ prompt, completion })}\n`);
    const messages = [
      { role: "user", content: prompt },
      { role: "assistant", content: completion },
    ];
    writeFileSync(join(path, "../chats.jsonl"), `${JSON.stringify({ messages })}\n`);
    const { code, err } = await distill("train", path);
    assert.equal(code, 1);
    assert.match(err, said);
    assert.equal(
      err
        .trim()
        .split("\n")
        .filter((line) => line.startsWith("Error")).length,
      1,
    );
    assert.ok(!existsSync(join(output, "student")));
  });

test("rows that are split off what was sampled are measured by their cross-entropy, and no teacher scores them", async () => {
  const all = resultOf(sampled.output, "logprobs").examples as number;
  const split = ["evaluation_dataset.split=0.4", "trainer.eval_steps=2"];
  const { code, out, err } = await distill("train", sampled.path, ...split);
  assert.equal(code, 0, err);
  const measured = Math.ceil(0.4 * all);
  assert.match(out, new RegExp(`${all - measured} examples, .*measured on ${measured} more`));
  const lines = readFileSync(join(sampled.output, "metrics.jsonl"), "utf8").trim().split("\n");
  const found = lines.map((line) => JSON.parse(line)).filter((line) => "eval_loss" in line);
  assert.deepEqual(
    found.map(({ step }) => step),
    [2, 3],
  );
  assert.ok(found.every(({ eval_loss }) => eval_loss > 0 && eval_loss < 10));
  assert.equal(resultOf(sampled.output, "train").validation_examples, measured);

  const rows = join(mkdtempSync(join(tmpdir(), "pairs-")), "pairs.jsonl");
  const pairs = [...readDataset(join(sampled.output, "dataset"))].flatMap(({ table }) => [
    ...rowsIn<{ prompt: string; completion: string }>(table),
  ]);
  writeFileSync(rows, pairs.map(({ prompt, completion }) => `${JSON.stringify({ prompt, completion })}\n`).join(""));
  const scored = recipe({ teacher, dataset: { path: rows }, evaluation_dataset: { split: 0.4 } });
  assert.equal((await distill("train", scored.path)).code, 0);
  assert.equal(resultOf(scored.output, "logprobs").scored, all - measured);
});
