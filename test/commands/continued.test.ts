import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256 } from "../../src/core/hash.ts";
import { distill, startDistill } from "../support/cli.ts";
import { extent } from "../support/extent.ts";
import { recipe } from "../support/recipes.ts";

// 40 rows, 4 a step: an epoch has 10 steps
const dataset = { generate: { type: "arithmetic" }, rows: 40 };
const TRAINER = {
  max_length: 128,
  packing: false,
  per_device_train_batch_size: 4,
  learning_rate: 0.01,
  lr_scheduler_type: "constant",
  warmup_steps: 3,
  save_steps: 4,
  logging_steps: 1,
};
const place = (trainer: object = {}, more: object = {}) =>
  recipe({ dataset, trainer: { ...TRAINER, ...trainer }, ...more });

const student = ({ output }: { output: string }) => sha256(join(output, "student", "model.safetensors"));
const checkpoints = ({ output }: { output: string }) => readdirSync(join(output, "checkpoints")).sort();
const metrics = ({ output }: { output: string }) =>
  readFileSync(join(output, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => ({ ...JSON.parse(line), tokens_per_s: undefined }));

async function said(...args: string[]): Promise<string> {
  const { code, out, err } = await distill("train", ...args);
  assert.equal(code, 0, err);
  return out;
}

test("an epoch and then another one are two epochs in one go, bit for bit, where the schedule is constant", async () => {
  const [parts, whole] = [place(), place({ num_train_epochs: 2 })];
  await said(parts.path);
  const first = student(parts);
  const plan = (await distill("plan", parts.path, "trainer.num_train_epochs=2")).out;
  assert.match(plan, /num_train_epochs changed from 1 to 2\n[\s\S]*It continues from the checkpoint of step 10\./);
  assert.doesNotMatch((await distill("plan", parts.path, "trainer.seed=2")).out, /continues/);
  const out = await said(parts.path, "trainer.num_train_epochs=2");
  assert.match(out, /train: trainer\.num_train_epochs changed from 1 to 2\n/);
  assert.match(out, /continues from step 10 of 20; its learning rates were those of a run of this length\./);
  await said(whole.path);
  assert.notEqual(student(parts), first);
  assert.equal(student(parts), student(whole));
  assert.deepEqual(metrics(parts), metrics(whole));
  assert.match(await said(parts.path, "trainer.num_train_epochs=2"), /Everything was up to date/);
});

test("another schedule is that of the new length from there on, and the run says so", async () => {
  const changed = place({ lr_scheduler_type: "cosine" });
  await said(changed.path);
  const before = metrics(changed);
  const out = await said(changed.path, "trainer.max_steps=15");
  assert.match(out, /continues from step 10 of 15; the schedule is that of 15 steps from there on, and was that of 10/);
  const whole = place({ lr_scheduler_type: "cosine", max_steps: 15 });
  await said(whole.path);
  assert.deepEqual(metrics(changed).slice(0, 10), before);
  const rates = (of: typeof changed) => metrics(of).map(({ learning_rate }) => learning_rate);
  assert.deepEqual(rates(changed).slice(10), rates(whole).slice(10));
  assert.notEqual(student(changed), student(whole));
});

test("a shorter run is that of the checkpoint at its end, else it continues from one before, else it starts again", async () => {
  const shortened = place({ max_steps: 20, save_total_limit: 3 });
  await said(shortened.path);
  assert.deepEqual(checkpoints(shortened), ["step-12", "step-16", "step-20"]);
  const exact = await said(shortened.path, "trainer.max_steps=16");
  assert.match(
    exact,
    /had come to step 20, and is now to have 16; what was beyond that is removed\. The student is that/,
  );
  const whole = place({ max_steps: 16 });
  await said(whole.path);
  assert.equal(student(shortened), student(whole));
  assert.deepEqual(metrics(shortened), metrics(whole));
  assert.match(await said(shortened.path, "trainer.max_steps=14"), /now to have 14; .* continues from step 12 of 14/);
  const again = await said(shortened.path, "trainer.max_steps=3");
  assert.match(again, /had come to step 14, and is now to have 3; .* No checkpoint .* is left, so it starts again\./);
  const short = place({ max_steps: 3 });
  await said(short.path);
  assert.equal(student(shortened), student(short));
});

test("what is no part of the result changes nothing, and what training hangs on starts it again", async () => {
  const one = place();
  await said(one.path);
  for (const free of ["save_steps=7", "logging_steps=3", "save_total_limit=5"])
    assert.match(await said(one.path, `trainer.${free}`), /Everything was up to date/, free);
  for (const bound of ["learning_rate=0.02", "warmup_steps=4", "gradient_accumulation_steps=2", "seed=1"]) {
    const out = await said(one.path, `trainer.${bound}`);
    assert.doesNotMatch(out, /continues from/, bound);
    assert.equal(metrics(one)[0].step, 1);
    const steps = metrics(one).length;
    assert.ok(steps === 10 || steps === 5, `${bound}: ${steps} steps`);
  }
});

const EPOCHS = extent(8, 30);
/** Steps after which it is killed, of ten in an epoch. */
const KILLS = extent([20, 45], [20, 60, 150]);

test("the finished student stays until the longer run's is whole, wherever that is killed", async () => {
  const killed = place({ num_train_epochs: 1 });
  await said(killed.path);
  const before = student(killed);
  const longer = ["train", killed.path, `trainer.num_train_epochs=${EPOCHS}`, "trainer.save_total_limit=9"];
  for (const after of KILLS) {
    const { child, ended } = startDistill(longer);
    while (child.exitCode === null && !checkpoints(killed).some((name) => Number(name.slice(5)) >= after))
      await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGKILL");
    await ended;
    assert.equal(student(killed), before, `killed after step ${after}`);
  }
  await said(...longer.slice(1));
  const whole = place({ num_train_epochs: EPOCHS });
  await said(whole.path);
  assert.equal(student(killed), student(whole));
  assert.deepEqual(metrics(killed), metrics(whole));
});

const evaluation_dataset = { split: 0.2, seed: 1 };
const MEASURED = {
  max_steps: 60,
  eval_steps: 3,
  load_best_model_at_end: true,
  early_stopping_patience: 3,
  learning_rate: 0.05,
};

test("a measured run that is killed, again and again, ends as the one that was not: best, early end and curve", async () => {
  const [whole, killed] = [place(MEASURED, { evaluation_dataset }), place(MEASURED, { evaluation_dataset })];
  const out = await said(whole.path);
  assert.match(out, /32 examples, \d+ tokens, measured on 8 more/);
  assert.match(out, /measuring the loss [\d.]+ MB more, and \S+ s each time;/);
  assert.match(out, /ended after step \d+ of 60: trainer\.early_stopping_patience measurements in turn gained nothing/);
  assert.match(out, /Its weights are those after step \d+ of 60, which scored best: eval_loss \d/);
  for (const after of [4, 8, 16]) {
    const { child, ended } = startDistill(["train", killed.path]);
    const there = () => existsSync(join(killed.output, "checkpoints")) && checkpoints(killed);
    while (child.exitCode === null && !(there() || []).some((name) => Number(name.slice(5)) >= after))
      await new Promise((resolve) => setTimeout(resolve, 2));
    child.kill("SIGKILL");
    await ended;
  }
  await said(killed.path);
  assert.equal(student(killed), student(whole));
  assert.deepEqual(metrics(killed), metrics(whole));
  assert.match(readFileSync(join(whole.output, "curves.svg"), "utf8"), /validation/);
  const more = await said(whole.path, "trainer.early_stopping_patience=4");
  assert.match(more, /early_stopping_patience changed from 3 to 4/);
  assert.ok(metrics(whole).length > metrics(killed).length, "it is gone on with");
  assert.deepEqual(metrics(whole).slice(0, metrics(killed).length), metrics(killed));
});

test("the student hangs on what it is measured on, and plan says so", async () => {
  const one = place({ ...MEASURED, max_steps: 6 }, { evaluation_dataset });
  await said(one.path);
  const reason = async (...overrides: string[]) => (await distill("plan", one.path, ...overrides)).out;
  assert.match(await reason(), /train +up to date/);
  assert.match(await reason("evaluation_dataset.seed=2"), /evaluation_dataset\.seed changed from 1 to 2/);
  assert.match(await reason("evaluation_dataset.split=0.3"), /evaluation_dataset\.split changed/);
  assert.match(await reason("trainer.eval_steps=2"), /trainer\.eval_steps changed from 3 to 2/);
  assert.match(await reason("trainer.load_best_model_at_end=false"), /load_best_model_at_end changed/);
  const other = { generate: { type: "arithmetic" }, rows: 9, seed: 4 };
  assert.match(await reason(`evaluation_dataset=${JSON.stringify(other)}`), /evaluation_dataset/);
});

test("rows of evaluation_dataset that are too long, or that are trained on too, are counted and said", async () => {
  const same = place({ max_steps: 2 }, { evaluation_dataset: { ...dataset, rows: 12 } });
  const { code, err } = await distill("train", same.path);
  assert.equal(code, 0, err);
  assert.match(err, /12 of 12 rows that the loss is measured on are also trained on, word for word\./);
  const long = place({ max_steps: 2, max_length: 90 }, { evaluation_dataset: { ...dataset, seed: 7 } });
  assert.match(
    (await distill("train", long.path)).err,
    /\d+ of 40 examples of evaluation_dataset are longer than 90 tokens and were left out, not cut\./,
  );
});

const REFUSED: [name: string, changes: object, message: RegExp][] = [
  [
    "validation of a trainer whose examples are made from prompts",
    {
      dataset: undefined,
      evaluation_dataset,
      rewards: [{ type: "accuracy" }],
      trainer: { type: "grpo", prompts: { generate: { type: "arithmetic" }, rows: 4 } },
    },
    /evaluation_dataset: the trainer grpo makes its examples from trainer\.prompts, .* or give trainer\.eval_prompts/,
  ],
  [
    "options of validation without any",
    { trainer: { ...TRAINER, early_stopping_patience: 2 } },
    /trainer\.early_stopping_patience: there is nothing to measure the loss on; give evaluation_dataset/,
  ],
  [
    "a threshold without patience",
    { evaluation_dataset, trainer: { ...TRAINER, early_stopping_threshold: 0.1 } },
    /trainer\.early_stopping_threshold: it needs early_stopping_patience/,
  ],
  [
    "a share of the rows and rows of its own",
    { evaluation_dataset: { split: 0.1, path: "rows.jsonl" } },
    /evaluation_dataset: give either split, .* or path, rows of its own/,
  ],
  ["a misspelt share", { evaluation_dataset: { splt: 0.1 } }, /unknown key "splt" \(did you mean "split"\?\)/],
  ["a share that is none", { evaluation_dataset: { split: 1.5 } }, /evaluation_dataset\.split: give a share below 1/],
  ["a dataset that is not there", { evaluation_dataset: { path: "none.jsonl" } }, /Dataset not found: .*none\.jsonl/],
  [
    "a schedule that hangs on measurements",
    { trainer: { ...TRAINER, lr_scheduler_type: "reduce_lr_on_plateau" } },
    /trainer\.lr_scheduler_type: reduce_lr_on_plateau is not offered, .* Take cosine or linear/,
  ],
  [
    "an option of another schedule",
    { trainer: { ...TRAINER, lr_scheduler_kwargs: { num_cycles: 2 } } },
    /trainer\.lr_scheduler_kwargs: the schedule constant has no "num_cycles"\. Expected none, leave it out/,
  ],
];

for (const [name, changes, message] of REFUSED)
  test(`${name} is refused in one sentence`, async () => {
    const { code, err } = await distill("train", place({}, changes).path);
    assert.equal(code, 1, err);
    assert.match(err, message);
    assert.equal(err.trim().split("\n").length, 1, err);
  });
