import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readLedger } from "../../src/data/ledger.ts";
import { rowsIn } from "../../src/data/traces.ts";
import { distill } from "../support/cli.ts";
import { STORIES, storiesRecipe } from "../support/recipes.ts";

const trainer = {
  type: "grpo",
  prompts: { path: join(STORIES, "train.jsonl"), limit: 12 },
  prompts_per_step: 3,
  num_generations: 4,
  max_completion_length: 24,
  max_length: 320,
  max_steps: 2,
  logging_steps: 1,
  learning_rate: 1e-4,
};

/** A recipe in a folder of its own; its rewards are for lengths, of which every base has some, unless given. */
const recipe = (changes: Record<string, unknown> = {}) =>
  storiesRecipe({
    rewards: [
      { type: "length", name: "short" },
      { type: "accuracy", weight: 2 },
    ],
    trainer,
    ...changes,
  });

test("a student is reinforced by the recipe's rules, and what it drew is kept with what they said", async () => {
  const { path, output } = recipe({
    rewards: [
      { type: "repetition_penalty", ngram_size: 1 },
      { type: "accuracy", weight: 2 },
    ],
    trainer: { ...trainer, temperature: 1 },
  });
  const { code, out, err } = await distill("train", path);
  assert.equal(code, 0, err);
  assert.match(out, /12 prompts, on cpu/);
  const folder = join(output, "rollouts");
  const rows = [...readLedger(join(folder, readdirSync(folder)[0]!))].flatMap(({ table }) => [
    ...rowsIn<Record<string, unknown>>(table),
  ]);
  assert.equal(rows.length, 24);
  for (const { rewards, reward, logprobs, token_ids, answer, verdict } of rows) {
    assert.deepEqual(Object.keys(rewards as object), ["repetition_penalty", "accuracy"]);
    assert.equal(typeof reward, "number");
    assert.equal((logprobs as number[]).length, (token_ids as number[]).length);
    assert.ok((logprobs as number[]).every((logprob) => logprob <= 1e-6));
    assert.ok(answer !== null && ["correct", "incorrect", "truncated"].includes(verdict as string));
  }
  const lines = readFileSync(join(output, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(lines.length, 2);
  for (const line of lines) {
    for (const name of [
      "reward",
      "reward_std",
      "frac_reward_zero_std",
      "rewards/accuracy",
      "completions/mean_length",
      "tokens/sampled",
    ])
      assert.equal(typeof line[name], "number", name);
    if (!line.skipped) assert.ok(line.logprob_mismatch < 1e-4 && line.entropy > 0);
  }
  assert.match((await distill("train", path)).out, /Everything was up to date/);
});

const REFUSED: [what: string, changes: Record<string, unknown>, said: RegExp][] = [
  ["no rewards", { rewards: undefined }, /rewards: the trainer grpo needs rewards/],
  [
    "another temperature",
    { trainer: { ...trainer, temperature: 0.7 } },
    /trainer\.temperature: what is drawn at another temperature than 1 is not the policy that is trained/,
  ],
  [
    "prompts without answers for a rule that compares",
    { trainer: { ...trainer, prompts: { path: "questions.jsonl" } }, rewards: [{ type: "accuracy" }] },
    /have no answer .*the reward accuracy compares with one/,
  ],
  [
    "a base without signal",
    { trainer: { ...trainer, max_completion_length: 1, patience: 2, max_steps: 5 }, rewards: [{ type: "accuracy" }] },
    /In the first 2 generations all completions of each prompt had the same reward .* nothing to reinforce\. It helps to begin with a student that is right now and then/,
  ],
];

for (const [what, changes, said] of REFUSED)
  test(`reinforcement is refused in a sentence: ${what}`, async () => {
    const { path, output } = recipe(changes);
    writeFileSync(join(path, "../questions.jsonl"), `${JSON.stringify({ prompt: "What is 1 + 1?" })}\n`);
    const { code, err } = await distill("train", path);
    assert.equal(code, 1);
    assert.match(err, said);
    assert.ok(!existsSync(join(output, "student")));
  });
