import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Recipe } from "../../src/recipe/recipe.ts";
import * as rewards from "../../src/rewards/index.ts";
import * as trainers from "../../src/trainers/index.ts";
import { distill } from "../support/cli.ts";

const told = async (...args: string[]): Promise<string> => {
  const { code, out, err } = await distill("options", ...args);
  assert.equal(code, 0, err);
  return out;
};

test("without a section every key of a recipe is told, with what it is", async () => {
  const out = await told();
  for (const [key, { description }] of Object.entries(Recipe.shape)) {
    assert.match(out, new RegExp(`^  ${key}: `, "m"));
    assert.ok(out.replaceAll(/\s+/g, " ").includes(description!), key);
  }
});

test("a key is told with its type, its default and its sentence", async () => {
  const lines = (await told("trainer.sft")).split("\n");
  assert.equal(lines[0], "trainer.sft: The next token of given completions.");
  const at = lines.indexOf("  learning_rate: number > 0, 0.00002 unless given");
  assert.equal(lines[at + 1], "    The highest learning rate of the run.");
  assert.ok(lines.includes('  overlength: drop | error, "drop" unless given'));
  assert.equal(
    await told("trainer.learning_rate"),
    "  trainer.learning_rate: number > 0, 0.00002 unless given\n    The highest learning rate of the run.\n",
  );
});

test("every type has a page of all its keys", async () => {
  for (const [section, registry] of Object.entries({ rewards, trainer: trainers }))
    for (const [type, { options }] of Object.entries(registry)) {
      const out = await told(`${section}.${type}`);
      for (const key of Object.keys(options.shape)) assert.match(out, new RegExp(`^  ${key}: `, "m"), `${type}.${key}`);
      assert.match(await told(section), new RegExp(`^  ${type}$`, "m"));
    }
});

test("a key of several places that may be left out in one of them is not said to be needed", async () => {
  assert.match(await told("dataset"), /^ {2}path: text or list of texts$/m);
  assert.match(await told("reference"), /^ {2}path: text, to be given$/m);
});

test("keys within keys are told with their place", async () => {
  assert.match(await told("teacher.openai"), /^ {2}timeouts\.connect: number > 0, 10 unless given$/m);
  assert.match(await told("teacher.openai.timeouts"), /^ {2}connect: number > 0, 10 unless given$/m);
  assert.match(await told("sampling.prompts.generate.stories"), /^ {2}mistakes: /m);
});

test("lines are no wider than the terminal", async () => {
  const own = Object.getOwnPropertyDescriptor(process.stdout, "columns");
  try {
    for (const columns of [40, 80, 120]) {
      Object.defineProperty(process.stdout, "columns", { value: columns, configurable: true });
      for (const section of [[], ["trainer.grpo"], ["rewards"], ["evaluation"]])
        for (const line of (await told(...section)).split("\n"))
          assert.ok(line.length <= columns || !line.trim().includes(" "), `${columns}: ${line}`);
    }
  } finally {
    if (own) Object.defineProperty(process.stdout, "columns", own);
    else delete (process.stdout as { columns?: number }).columns;
  }
});

test("--json is the schema, of all or of a section, and --keys are the keys", async () => {
  assert.equal(await told("--json"), readFileSync("recipes/recipe.schema.json", "utf8"));
  const lora = JSON.parse(await told("lora", "--json"));
  assert.equal(lora.properties.r.default, 8);
  const keys = (await told("--keys")).trim().split("\n");
  assert.ok(keys.includes("trainer.learning_rate") && keys.includes("lora.r"));
});

test("of a section that there is not the nearest is told", async () => {
  const SAID: Record<string, string> = {
    micro_batch_size: 'A recipe has no "micro_batch_size". What others call so is trainer.per_device_train_batch_size.',
    "lora.rank": 'A recipe has no "lora.rank". What others call so is lora.r.',
    bf16: 'A recipe has no "bf16": there is no such precision in training: trainer.precision is auto, fp32 or fp16.',
    trane: 'A recipe has no "trane". Did you mean trainer?',
    learning_rate: 'A recipe has no "learning_rate" there. It is trainer.learning_rate.',
    grpo: 'A recipe has no "grpo". Did you mean trainer.grpo?',
    "trainer.dpo": 'There is no trainer "dpo". Expected one of: gkd, grpo, kd, sft.',
    "trainer.gropo": 'There is no trainer "gropo" (did you mean "grpo"?).',
    "zzzzzzzz.zzzzzzz": 'A recipe has no "zzzzzzzz.zzzzzzz". distill options lists what it has.',
  };
  for (const [section, sentence] of Object.entries(SAID)) {
    const { code, out, err } = await distill("options", section);
    assert.deepEqual([code, out, err], [1, "", `Error: ${sentence}\n`]);
  }
});
