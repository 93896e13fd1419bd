/** @file Reinforcement that is killed at random points and continued, beside the run that was not. */

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../src/core/random.ts";
import { readLedger } from "../../src/data/ledger.ts";
import { rowsIn } from "../../src/data/traces.ts";
import { distill, startDistill } from "../support/cli.ts";
import { STORIES, storiesRecipe } from "../support/recipes.ts";

/** Steps of each run, of which four learn from one generation; and runs at once. */
export type Size = { steps: number; lanes: number };
const SIZE: Size = { steps: 48, lanes: 2 };

/** Everything that a run of reinforcement keeps between steps: a value head, a reference, parts of generations, the best weights. */
const recipe = (folder: string, steps: number) =>
  storiesRecipe(
    {
      rewards: [{ type: "accuracy" }, { type: "length", name: "short" }],
      trainer: {
        type: "grpo",
        prompts: { path: join(STORIES, "train.jsonl"), limit: 40 },
        prompts_per_step: 6,
        num_generations: 4,
        steps_per_generation: 2,
        num_iterations: 2,
        baseline: "value",
        beta: 0.02,
        importance_sampling_level: "sequence",
        max_completion_length: 24,
        max_length: 192,
        max_steps: steps,
        eval_prompts: { path: join(STORIES, "test.jsonl"), limit: 3 },
        eval_steps: 7,
        save_steps: 1,
        logging_steps: 1,
        learning_rate: 2e-3,
        collapse: 1,
      },
    },
    mkdtempSync(join(folder, "run-")),
  );

/** What a run comes to: its weights, its ledger and what it logged, without what hangs on the machine. */
function result(output: string) {
  const folder = join(output, "rollouts");
  const [key, ...more] = readdirSync(folder);
  assert.equal(more.length, 0);
  const rows = [...readLedger(join(folder, key!))].flatMap(({ table }) => [...rowsIn<object>(table)]);
  const metrics = readFileSync(join(output, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) =>
      Object.entries(JSON.parse(line)).filter(([name]) => !/^(seconds|tokens_per_s|eval\/seconds)/.test(name)),
    );
  const weights = readFileSync(join(output, "student", "model.safetensors")).toString("hex");
  return { weights, rows: JSON.parse(JSON.stringify(rows)), metrics };
}

/** Kill runs at `kills` random points, and assert that each of them comes to the weights, ledger and metrics of the one that was not. */
export async function killReinforcement(kills: number, size = SIZE): Promise<{ kills: number; between: number }> {
  const folder = mkdtempSync(join(tmpdir(), "faults-"));
  try {
    return await killIn(folder, kills, size);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function killIn(
  folder: string,
  kills: number,
  { steps, lanes }: Size,
): Promise<{ kills: number; between: number }> {
  const calm = recipe(folder, steps);
  const begun = performance.now();
  const { code, err } = await distill("train", calm.path);
  const took = performance.now() - begun;
  assert.equal(code, 0, err);
  const expected = result(calm.output);
  assert.equal(expected.rows.length, (steps / 4) * 24);
  const learned = expected.metrics.filter((line) =>
    line.some(([name, value]) => name === "grad_norm" && Number(value) > 0),
  );
  assert.ok(learned.length > steps / 2, `${learned.length} of ${steps} steps changed something`);

  const random = seededRandom(8);
  let left = kills;
  let between = 0; // kills of runs that had trained, and had more to train
  async function killing(): Promise<void> {
    while (left > 0) {
      const { path, output } = recipe(folder, steps);
      for (let done = false; !done; ) {
        const { child, ended } = startDistill(["train", path]);
        const kill = left > 0 && left-- > 0;
        if (kill) {
          // the first word is said before anything is loaded
          await Promise.race([new Promise((said) => child.stdout!.once("data", said)), ended]);
          // half of them fall where the run has begun to train, however long it takes to get there
          if (left % 4 < 2) while (!existsSync(join(output, "checkpoints")) && child.exitCode === null) await sleep(10);
          await sleep((random.uniform() * took) / 2);
          child.kill(left % 2 === 0 ? "SIGKILL" : "SIGINT");
        }
        const { code, err } = await ended;
        if (kill && code === 0)
          left++; // it was done before
        else if (kill && existsSync(join(output, "checkpoints"))) between++;
        assert.ok(code === 0 || kill, err);
        done = code === 0;
      }
      assert.deepEqual(result(output), expected);
    }
  }
  await Promise.all(Array.from({ length: lanes }, killing));
  assert.ok(between > kills / 3, `${between} of ${kills} kills fell between the first step and the last`);
  return { kills, between };
}
