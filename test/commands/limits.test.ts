import assert from "node:assert/strict";
import { cpSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { distill } from "../support/cli.ts";
import { recipe } from "../support/recipes.ts";
import { scratch } from "../support/students.ts";

/** JSON that is short for its file and too deep for what walks through it. */
const DEEP = [`${"[".repeat(50_000)}${"]".repeat(50_000)}`, `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`];

/** That something was said in words, and no stack. */
function inWords({ code, out, err }: { code: number | null; out: string; err: string }, what: string): void {
  assert.doesNotMatch(out + err, /\n {4}at |RangeError|TypeError/, what);
  if (code !== 0) assert.match(err, /^Error: \S.*\.$/m, what);
}

const trainer = { max_length: 128, max_steps: 2, save_steps: 1, logging_steps: 1, learning_rate: 0.003 };

test("rows whose values are nested too deep are named", async () => {
  const folder = scratch();
  const { path } = recipe({ trainer });
  const rewards = join(folder, "rewards.yaml");
  writeFileSync(rewards, "- { type: accuracy }\n");
  for (const [i, deep] of DEEP.entries())
    for (const row of [`{"prompt":"a","completion":"b","x":${deep}}`, `{"messages":${deep}}`]) {
      const rows = join(folder, `rows-${i}.jsonl`);
      writeFileSync(rows, `${row}\n`);
      for (const args of [
        ["filter", rows, "--output", join(folder, "kept")],
        ["score", rows, "--rewards", rewards],
        ["review", rows, "--argilla", join(folder, "records.json")],
        ["train", path, `dataset={ path: ${rows} }`],
      ]) {
        const said = await distill(...args);
        inWords(said, args.join(" "));
        assert.equal(said.code, 1);
        assert.match(said.err, /line 1: its values are nested more than 128 deep/);
      }
    }
});

test("states of a run that are nested too deep are damaged like others", async () => {
  const { path, output } = recipe({ trainer });
  assert.equal((await distill("run", path)).code, 0);
  const states = readdirSync(output, { recursive: true, encoding: "utf8" }).filter((name) =>
    /(artefact|manifest|run|files|hashes)\.json$/.test(name),
  );
  assert.ok(states.length > 5);
  for (const name of states) {
    const copy = join(scratch(), "run");
    cpSync(output, copy, { recursive: true });
    writeFileSync(join(copy, name), `{"a":${DEEP[0]}}\n`);
    for (const args of [["plan"], ["report"], ["run"], ["run"]])
      inWords(
        args[0] === "report" ? await distill("report", copy) : await distill(args[0]!, path, `output=${copy}`),
        `${args} with ${name}`,
      );
    assert.match((await distill("run", path, `output=${copy}`)).out, /Everything was up to date/, name);
    rmSync(copy, { recursive: true });
  }
});

test("sizes that no machine has end in a sentence", async () => {
  const { path } = recipe({ trainer });
  for (const key of ["max_length=1e12", "max_length=2147483648", "per_device_train_batch_size=1e9"]) {
    const said = await distill("train", path, `trainer.${key}`);
    inWords(said, key);
    assert.match(said.err, /expected at most \d+, found/, key);
  }
  // what is drawn, asked at once or computed in
  const prompts = "{ path: prompts.jsonl }";
  for (const key of [
    "threads=1e9",
    "sampling.num_generations=1e9",
    "sampling.max_completion_length=1e12",
    "teacher.context_size=1e12",
    "teacher.batch_size=1e12",
    "teacher.threads=1e9",
    "evaluation.num_generations=1e9",
    "trainer.gradient_accumulation_steps=1e9",
    "lora.r=1e9",
  ]) {
    const said = await distill(
      "plan",
      path,
      "teacher={ type: llama_cpp, path: teacher.gguf }",
      `sampling={ prompts: ${prompts} }`,
      `evaluation={ prompts: ${prompts} }`,
      "lora={ r: 2 }",
      key,
    );
    assert.match(said.err, /expected at most \d+, found/, key);
  }
  const said = await distill("train", path, "trainer.max_length=4194304", "trainer.per_device_train_batch_size=65536");
  inWords(said, "both");
  assert.match(said.err, /A micro-batch of 65536 rows of 4194304 tokens is larger than any memory/);
});
