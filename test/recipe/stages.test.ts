import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { planStages, readManifest, runStages, type Stage } from "../../src/recipe/stages.ts";
import { scratch } from "../support/students.ts";

/** Three stages in a row that write a file each; `settings` are their inputs. */
function chain(output: string, settings: Record<string, number>, log: string[] = []): Stage[] {
  return ["draw", "train", "measure"].map((name, i, names) => ({
    name,
    after: names.slice(Math.max(0, i - 1), i),
    inputs: () => ({ setting: settings[name] }),
    outputs: [join(output, name)],
    async run({ signal }) {
      log.push(name);
      writeFileSync(join(output, name), "");
      return { stopped: signal.aborted, result: { setting: settings[name] } };
    },
  }));
}

const SETTINGS = { draw: 1, train: 1, measure: 1 };

async function runChain(output: string, settings: Record<string, number>, targets = ["measure"], abort = false) {
  const log: string[] = [];
  const controller = new AbortController();
  if (abort) controller.abort();
  const { signal } = controller;
  const options = { name: "chain", recipe: {}, versions: {}, output, signal, onStage: () => {} };
  await runStages(chain(output, settings, log), targets, options);
  return log;
}

test("a second run does nothing, and a changed setting runs its stage and those behind it", async () => {
  const output = scratch();
  assert.deepEqual(await runChain(output, SETTINGS), ["draw", "train", "measure"]);
  assert.deepEqual(await runChain(output, SETTINGS), []);
  assert.deepEqual(await runChain(output, { ...SETTINGS, train: 2 }), ["train", "measure"]);
  assert.deepEqual(await runChain(output, { ...SETTINGS, train: 2, measure: 3 }), ["measure"]);
});

test("a target runs what it reads from and nothing behind it", async () => {
  assert.deepEqual(await runChain(scratch(), SETTINGS, ["train"]), ["draw", "train"]);
});

test("a stage that was stopped, or of which the result is gone, runs again", async () => {
  const output = scratch();
  assert.deepEqual(await runChain(output, SETTINGS, ["measure"], true), ["draw"]);
  assert.deepEqual(await runChain(output, SETTINGS), ["draw", "train", "measure"]);
  const stages = chain(join(output, "elsewhere"), SETTINGS);
  assert.match(planStages(stages, ["measure"], readManifest(output, "chain"))[0]!.reason, /draw is missing/);
});

test("the plan says which value changed", async () => {
  const output = scratch();
  await runChain(output, SETTINGS);
  const plan = planStages(chain(output, { ...SETTINGS, train: 5 }), ["measure"], readManifest(output, "chain"));
  assert.deepEqual(
    plan.map(({ name, due, reason }) => [name, due, reason]),
    [
      ["draw", false, "up to date"],
      ["train", true, "setting changed from 1 to 5"],
      ["measure", true, "train changed"],
    ],
  );
});

test("a folder of another recipe is refused", async () => {
  const output = scratch();
  await runChain(output, SETTINGS);
  assert.throws(() => readManifest(output, "other"), /belongs to the recipe "chain"\. Give "other" another output/);
});
