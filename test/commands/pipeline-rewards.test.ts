import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { distill } from "../support/cli.ts";
import { MODELS, STORIES } from "../support/recipes.ts";
import { scratch } from "../support/students.ts";

const STEPS = ["base", "reinforced", "apart", "last"];

/** A base, a student that is reinforced from it, one that is trained from it beside that, and one on top of the reinforced. */
function pipeline(): { path: string; output: string } {
  const folder = scratch();
  const path = join(folder, "pipeline.yaml");
  const sft = {
    device: "cpu",
    threads: 1,
    dataset: { generate: { type: "stories", bare: 1 }, rows: 8 },
    trainer: { max_length: 320, max_steps: 3, learning_rate: 1e-4 },
  };
  const steps = {
    base: { ...sft, student: { path: join(MODELS, "stories-base") } },
    reinforced: {
      ...{ device: "cpu", threads: 1, student: { step: "base" } },
      rewards: [{ type: "accuracy" }, { type: "length", name: "short" }],
      trainer: {
        ...{ type: "grpo", prompts: { path: join(STORIES, "train.jsonl"), limit: 12 }, prompts_per_step: 12 },
        ...{ num_generations: 6, max_completion_length: 24, max_length: 320, max_steps: 3, learning_rate: 1e-4 },
      },
    },
    apart: { extends: "#base", student: { step: "base" } },
    last: { extends: "#base", student: { step: "reinforced" } },
  };
  writeFileSync(path, stringify({ name: "rewarded", output: "runs", steps }));
  return { path, output: join(folder, "runs") };
}

/** When each step's student was written, and what it is. */
const students = (output: string) =>
  STEPS.map((step) => {
    const file = join(output, step, "student", "model.safetensors");
    return { at: statSync(file).mtimeMs, bytes: readFileSync(file).toString("hex") };
  });

test("another reward of one step makes that step and what hangs on it again, and nothing else", async () => {
  const { path, output } = pipeline();
  const first = await distill("run", path);
  assert.equal(first.code, 0, first.err);
  assert.equal(first.out.match(/^train: not run yet/gm)?.length, 4);
  const before = students(output);

  const changed = ["steps.reinforced.rewards=[{type: accuracy}, {type: length, name: short, weight: -1}]"];
  const planned = await distill("plan", path, ...changed);
  assert.match(
    planned.out,
    /Step reinforced, after base\ntrain +runs: rewards changed[\s\S]*Step last, after reinforced\nruns once reinforced has run/,
  );
  assert.equal(planned.out.match(/^train +up to date/gm)?.length, 2);

  const again = await distill("run", path, ...changed);
  assert.equal(again.code, 0, again.err);
  assert.equal(again.out.match(/^train: up to date/gm)?.length, 2);
  const after = students(output);
  assert.deepEqual(
    STEPS.filter((_, i) => after[i]!.at !== before[i]!.at),
    ["reinforced", "last"],
  );
  assert.notEqual(after[1]!.bytes, before[1]!.bytes);
  assert.match((await distill("run", path, ...changed)).out, /Everything was up to date/);
});
