import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { planStages, readManifest, runStages, type Stage } from "../../src/recipe/stages.ts";
import { openRunFolder, readRunFolder } from "../../src/store/run-folder.ts";
import { scratch } from "../support/students.ts";

/** Three stages in a row that write a file each; `settings` are their inputs. */
function chain(settings: Record<string, number>, log: string[] = []): Stage[] {
  return ["draw", "train", "measure"].map((name, i, names) => ({
    name,
    after: names.slice(Math.max(0, i - 1), i),
    inputs: () => ({ setting: settings[name] }),
    leaves: [name],
    async run({ key, folder, signal }) {
      log.push(name);
      await folder.writeFolder(name, key, (into) => writeFileSync(join(into, "file"), key));
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
  const folder = await openRunFolder(output, "chain");
  try {
    const options = { name: "chain", recipe: {}, versions: {}, folder, signal, onStage: () => {} };
    await runStages(chain(settings, log), targets, options);
  } finally {
    folder.close();
  }
  return log;
}

function planned(output: string, settings: Record<string, number>) {
  const folder = readRunFolder(output, "chain");
  return planStages(chain(settings), ["measure"], readManifest(folder), folder);
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
  rmSync(join(output, "draw"), { recursive: true });
  assert.match(planned(output, SETTINGS)[0]!.reason, /draw is missing/);
  assert.deepEqual(await runChain(output, SETTINGS), ["draw"], "made again, and it is what it was");
});

test("the plan says which value changed", async () => {
  const output = scratch();
  await runChain(output, SETTINGS);
  const plan = planned(output, { ...SETTINGS, train: 5 });
  assert.deepEqual(
    plan.map(({ name, due, reason }) => [name, due, reason]),
    [
      ["draw", false, "up to date"],
      ["train", true, "setting changed from 1 to 5"],
      ["measure", true, "train changed"],
    ],
  );
});

test("a stage whose inputs change before it has read them makes nothing, and is due under what they are then", async () => {
  const output = scratch();
  const source = join(scratch(), "source");
  writeFileSync(source, "old");
  const run = async (meanwhile: () => void) => {
    const folder = await openRunFolder(output, "chain");
    const stage: Stage = {
      name: "train",
      after: [],
      inputs: () => ({ source: readFileSync(source, "utf8") }),
      leaves: ["train"],
      async run({ key, folder, requireUnchanged }) {
        meanwhile();
        const read = readFileSync(source, "utf8");
        requireUnchanged();
        await folder.writeFolder("train", key, (into) => writeFileSync(join(into, "file"), read));
        return { result: {} };
      },
    };
    try {
      const { signal } = new AbortController();
      return await runStages([stage], ["train"], {
        name: "chain",
        recipe: {},
        versions: {},
        folder,
        signal,
        onStage() {},
      });
    } finally {
      folder.close();
    }
  };
  await assert.rejects(
    run(() => writeFileSync(source, "new")),
    {
      name: "DistillError",
      message:
        /^What train reads was changed meanwhile: source changed from "old" to "new"\. .* run the same command again\.$/,
    },
  );
  assert.ok(!existsSync(join(output, "train")));
  const { manifest } = await run(() => {});
  assert.deepEqual(manifest.stages.train!.inputs, { source: "new" });
  assert.equal(readFileSync(join(output, "train", "file"), "utf8"), "new");
});

test("a folder of another recipe is refused", async () => {
  const output = scratch();
  await runChain(output, SETTINGS);
  await assert.rejects(openRunFolder(output, "other"), /belongs to the recipe "chain"\. Give "other" another output/);
});
