import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readLedger } from "../../src/data/ledger.ts";
import { rowsIn } from "../../src/data/traces.ts";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { distill } from "../support/cli.ts";
import { writeModel } from "../support/models.ts";
import { MODELS, STORIES, storiesRecipe } from "../support/recipes.ts";
import { TOY } from "../support/training.ts";

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
      { type: "accuracy", weight: 2 },
      { type: "length", name: "short" },
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
  const rows = rolloutsOf(output);
  assert.equal(rows.length, 24);
  for (const { rewards, reward, logprobs, token_ids, answer, verdict } of rows) {
    assert.deepEqual(Object.keys(rewards as object), ["repetition_penalty", "accuracy"]);
    assert.equal(typeof reward, "number");
    assert.equal((logprobs as number[]).length, (token_ids as number[]).length);
    assert.ok((logprobs as number[]).every((logprob) => logprob <= 1e-6));
    assert.ok(answer !== null && ["correct", "incorrect", "truncated"].includes(verdict as string));
  }
  const lines = metricsOf(output);
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
    if (!line.skipped) assert.ok(line.logprob_mismatch! < 1e-4 && line.entropy! > 0);
  }
  assert.match((await distill("train", path)).out, /Everything was up to date/);
  const shown = await distill("inspect", path, "--generation", "1");
  assert.match(shown.out, /# Generation 1\n\n12 completions[\s\S]*## The best/);
  assert.match((await distill("inspect", path)).out, /# Generation 2/);
  assert.match((await distill("inspect", path, "--generation", "3")).err, /holds 2 generations, and no generation 3/);
  // the ledger is a dataset like others
  const [ledger] = readdirSync(join(output, "rollouts")).map((key) => join(output, "rollouts", key));
  writeFileSync(join(path, "../rules.yaml"), "[{ type: format }]");
  const scored = await distill("score", ledger!, "--rewards", join(path, "../rules.yaml"));
  assert.equal(scored.code, 0, scored.err);
  assert.match(scored.out, /24/);
  const kept = await distill("filter", ledger!, "--output", join(path, "../kept"), "--at-least", "reward=-99");
  assert.equal(kept.code, 0, kept.err);
});

/** Lines of metrics.jsonl. */
const metricsOf = (output: string): Record<string, number>[] =>
  readFileSync(join(output, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** Rows of the only ledger of a run. */
function rolloutsOf(output: string): Record<string, unknown>[] {
  const folder = join(output, "rollouts");
  return [...readLedger(join(folder, readdirSync(folder)[0]!))].flatMap(({ table }) => [
    ...rowsIn<Record<string, unknown>>(table),
  ]);
}

test("near a reference, with ratios of completions and several updates of a generation", async () => {
  const { path, output } = recipe({
    reference: { path: join(MODELS, "stories-base") },
    trainer: {
      ...trainer,
      max_steps: 4,
      beta: 0.05,
      importance_sampling_level: "sequence",
      steps_per_generation: 2,
      num_iterations: 2,
      learning_rate: 1e-3,
    },
  });
  const { code, err } = await distill("train", path);
  assert.equal(code, 0, err);
  const lines = metricsOf(output).filter(({ skipped }) => !skipped);
  assert.equal(lines.length, 4);
  // the student begins as its reference, and moves away from it
  assert.ok(lines[0]!.kl! < 1e-6 && lines[3]!.kl! > 1e-6, JSON.stringify(lines.map(({ kl }) => kl)));
  const rows = rolloutsOf(output);
  assert.equal(rows.length, 12);
  for (const { logprobs, reference_logprobs, advantage, policy, max_completion_length } of rows) {
    const [own, other] = [logprobs, reference_logprobs] as [number[], number[]];
    assert.equal(own.length, other.length);
    own.forEach((logprob, t) => {
      assert.ok(Math.abs(logprob - other[t]!) < 1e-3);
    });
    assert.equal(typeof advantage, "number");
    assert.deepEqual([policy, max_completion_length], [0, 24]);
  }
});

test("an adapter is kept near to the student without it, which costs no second copy, with a value head beside it", async () => {
  const { path, output } = recipe({
    lora: { r: 4, target_modules: "all-linear" },
    trainer: { ...trainer, num_generations: 8, max_steps: 4, beta: 0.05, baseline: "value", learning_rate: 5e-3 },
  });
  const { code, err } = await distill("train", path);
  assert.equal(code, 0, err);
  const lines = metricsOf(output);
  assert.ok(lines[0]!.kl! < 1e-6 && lines.at(-1)!.kl! > 1e-5, JSON.stringify(lines.map(({ kl }) => kl)));
  assert.ok(lines.every(({ logprob_mismatch }) => logprob_mismatch! < 1e-4));
  const names = [...openSafetensors(join(output, "adapter", "adapter_model.safetensors")).entries.keys()];
  assert.ok(names.length > 0 && names.every((name) => name.includes("lora_")));
});

test("a value head learns what to expect (PPO), is kept in checkpoints, and is no part of the student", async () => {
  const { path, output } = recipe({
    trainer: {
      ...trainer,
      baseline: "value",
      num_generations: 8,
      prompts_per_step: 6,
      max_steps: 6,
      vf_coef: 1,
      learning_rate: 1e-3,
    },
  });
  const { code, err } = await distill("train", path);
  assert.equal(code, 0, err);
  const lines = metricsOf(output);
  assert.ok(lines.every(({ value_loss }) => value_loss! > 0));
  assert.ok(
    lines.at(-1)!.value_loss! < 0.9 * lines[0]!.value_loss!,
    JSON.stringify(lines.map((line) => line.value_loss)),
  );
  const rows = rolloutsOf(output);
  assert.equal(rows.length, 6 * 48);
  const of = (step: number) => rows.filter((row) => row.step === step).flatMap(({ values }) => values as number[]);
  assert.ok(of(1).every((value) => value === 0) && of(6).some((value) => value !== 0));
  const tensors = (file: string) => readFileSync(file).toString("latin1").includes("value_head.weight");
  assert.ok(tensors(join(output, "checkpoints", "step-6", "model.safetensors")));
  assert.ok(!tensors(join(output, "student", "model.safetensors")));
});

test("a student is measured on the way, and its best weights become the student", async () => {
  const { path, output } = recipe({
    // what is rewarded is to write little, and at this rate it is unlearned again
    trainer: {
      ...trainer,
      eval_prompts: { path: join(STORIES, "test.jsonl"), limit: 4 },
      eval_steps: 2,
      max_steps: 5,
      learning_rate: 3e-3,
      save_total_limit: 1,
      collapse: 1,
    },
  });
  const { code, out, err } = await distill("train", path);
  assert.equal(code, 0, err);
  const measured = metricsOf(output).filter((line) => "eval/reward" in line);
  assert.deepEqual(
    measured.map(({ step }) => step),
    [2, 4, 5],
  );
  const best = measured.reduce((a, b) => (b["eval/reward"]! > a["eval/reward"]! ? b : a)).step!;
  assert.match(out, new RegExp(`Its weights are those after step ${best} of 5, which scored best`));
  const weights = (folder: string) => openSafetensors(join(output, folder, "model.safetensors"));
  const [student, kept] = [weights("student"), weights(`checkpoints/step-${best}`)];
  for (const name of student.entries.keys()) assert.deepEqual(student.read(name), kept.read(name));
  for (const file of [student, kept]) file.close();
  const said = readFileSync(join(output, "samples.md"), "utf8");
  assert.match(
    said,
    /# Generation 5\n\n12 completions, with a mean reward of [\s\S]*## The best[\s\S]*## The worst[\s\S]*## The most surprising/,
  );
  assert.match(
    readFileSync(join(output, "curves.svg"), "utf8"),
    /<svg[\s\S]*on the problems that it is measured on[\s\S]*<\/svg>/,
  );
});

test("another backend draws on freshly written weights, its tokens are corrected for, and the recipe's log says who draws", async () => {
  const sampler = { type: "llama_cpp", weights: "q8_0", sequences: 8, context_size: 320, gpu: false, threads: 1 };
  const changes = { trainer: { ...trainer, num_generations: 8, learning_rate: 1e-3 } };
  const always = recipe({ ...changes, sampler: { ...sampler, always: true } });
  const { code, out, err } = await distill("train", always.path);
  assert.equal(code, 0, err);
  assert.match(out, /The student's answers are drawn by llama_cpp on q8_0, and corrected for it/);
  const lines = metricsOf(always.output);
  for (const line of lines) {
    const difference = line["sampling/sampling_logp_difference/mean"]!;
    assert.ok(difference > 1e-5 && difference < 0.1, `${difference}`); // q8_0 is another policy, and not far
    assert.ok(Math.abs(line["sampling/importance_sampling_ratio/mean"]! - 1) < 0.05);
    assert.ok(line["sampling/untold"]! < 0.1);
    if (!line.skipped) assert.ok(line.logprob_mismatch! < 1e-4); // of the trainer's own, computed again
  }
  for (const { logprobs, sampler_logprobs, token_ids } of rolloutsOf(always.output)) {
    assert.equal((logprobs as number[]).length, (token_ids as number[]).length);
    assert.equal((sampler_logprobs as number[]).length, (token_ids as number[]).length);
  }

  const measured = recipe({ ...changes, sampler });
  const said = await distill("train", measured.path);
  assert.equal(said.code, 0, said.err);
  assert.match(
    said.out,
    /Drawn by the trainer's own sampler: [\d,]+ tokens\/s; by llama_cpp on q8_0, with writing and opening: [\d,]+ tokens\/s\. The (former|latter) is used/,
  );
});

const REFUSED: [what: string, changes: Record<string, unknown>, said: RegExp][] = [
  ["no rewards", { rewards: undefined }, /rewards: the trainer grpo needs rewards/],
  [
    "another temperature",
    { trainer: { ...trainer, temperature: 0.7 } },
    /trainer\.temperature: what is drawn with anything but 1 is not the policy that is trained/,
  ],
  [
    "a sampler that says nothing of its tokens' probabilities",
    { sampler: { type: "transformers" } },
    /sampler\.type: transformers gives no log-probabilities\. Expected one of: llama_cpp, engine/,
  ],
  ["tokens that are cut off", { trainer: { ...trainer, top_p: 0.95 } }, /trainer\.top_p: .* biases its ratio/],
  [
    "a group of one",
    { trainer: { ...trainer, num_generations: 1 } },
    /trainer\.num_generations: a group has at least 2 completions, unless another baseline is given/,
  ],
  [
    "a reference that nothing is compared with",
    { reference: { path: join(MODELS, "stories-base") } },
    /reference: the trainer grpo compares with none; leave it out, or give trainer\.beta/,
  ],
  [
    "a reference of other tokens",
    { reference: { path: "other" }, trainer: { ...trainer, beta: 0.1 } },
    /The reference .*other has a vocab_size of 23, and the student of 588\. Give a model of the student's tokens/,
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
    await writeModel(join(path, "../other"), { ...TOY, vocab_size: 23 });
    writeFileSync(join(path, "../questions.jsonl"), `${JSON.stringify({ prompt: "What is 1 + 1?" })}\n`);
    const { code, err } = await distill("train", path);
    assert.equal(code, 1);
    assert.match(err, said);
    assert.ok(!existsSync(join(output, "student")));
  });
