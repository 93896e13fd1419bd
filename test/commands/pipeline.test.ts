import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse, stringify } from "yaml";
import { readPipeline } from "../../src/recipe/pipeline.ts";
import { distill } from "../support/cli.ts";
import { recipe } from "../support/recipes.ts";

/** A base, a student of it by a file that is extended, and a student of that: each a few steps of a toy. */
function pipeline(changes: (steps: Record<string, Record<string, unknown>>) => void = () => {}) {
  const toy = recipe({ output: undefined });
  const { name: _, output: __, ...whole } = parse(readFileSync(toy.path, "utf8"));
  writeFileSync(
    join(toy.folder, "shared.yaml"),
    stringify({ name: "shared", ...whole, trainer: { ...whole.trainer, max_steps: 2 } }),
  );
  const steps: Record<string, Record<string, unknown>> = {
    last: { extends: "shared.yaml", student: { step: "middle" }, trainer: { seed: 3 } },
    middle: { extends: "shared.yaml", student: { step: "base" }, tokenizer: null, trainer: { learning_rate: 0.001 } },
    base: { extends: "shared.yaml" },
  };
  changes(steps);
  const path = join(toy.folder, "pipeline.yaml");
  const output = join(toy.folder, "runs");
  writeFileSync(path, stringify({ name: "three", output: "runs", steps }));
  return { path, output, folder: toy.folder };
}

test("steps are recipes that read from each other, in the order of what they read", async () => {
  const { path, output, folder } = pipeline();
  const { steps } = readPipeline(path)!;
  assert.deepEqual(
    steps.map(({ name, after }) => [name, ...after]),
    [["base"], ["middle", "base"], ["last", "middle"]],
  );
  const [base, middle, last] = steps.map(({ recipe }) => recipe);
  assert.deepEqual(middle!.student, { path: join(output, "base", "student") });
  assert.deepEqual(last!.student, { path: join(output, "middle", "student") });
  assert.equal(base!.tokenizer, join(folder, "tokenizer"));
  assert.equal(middle!.tokenizer, undefined);
  assert.deepEqual([base!.name, base!.output], ["three.base", join(output, "base")]);
  assert.deepEqual(
    [base, middle, last].map((recipe) => [
      recipe!.trainer.learning_rate,
      recipe!.trainer.seed,
      recipe!.trainer.max_steps,
    ]),
    [
      [0.003, 0, 2],
      [0.001, 0, 2],
      [0.003, 3, 2],
    ],
  );
});

test("a pipeline runs step by step, and a change makes due what hangs on it and nothing else", async () => {
  const { path, output } = pipeline();
  const planned = await distill("plan", path);
  assert.match(
    planned.out,
    /Step base\ntrain +runs: not run yet[\s\S]*Step middle, after base\nruns once base has run[\s\S]*Step last, after middle\nruns once middle has run/,
  );
  const alone = await distill("run", path, "--step", "middle");
  assert.equal(alone.code, 1);
  assert.match(alone.err, /Step middle reads .*base\/student, which step base has not left\. Run base first/);

  const first = await distill("run", path);
  assert.equal(first.code, 0, first.err);
  assert.deepEqual(trained(first.out), ["base", "middle", "last"]);
  for (const step of ["base", "middle", "last"])
    assert.ok(existsSync(join(output, step, "student", "model.safetensors")));
  assert.match((await distill("run", path)).out, /Everything was up to date/);

  const changed = await distill("run", path, "steps.middle.trainer.learning_rate=0.002");
  assert.deepEqual(trained(changed.out), ["middle", "last"]);
  assert.match(changed.out, /Step middle[\s\S]*train: trainer\.learning_rate changed from 0\.001 to 0\.002/);
  assert.deepEqual(
    trained((await distill("run", path, "steps.middle.trainer.learning_rate=0.002", "steps.last.trainer.seed=4")).out),
    ["last"],
  );
  assert.deepEqual(trained((await distill("run", path, "--step", "last", "steps.last.trainer.seed=5")).out), ["last"]);
});

/** The steps whose student was trained. */
const trained = (out: string): string[] =>
  [...out.matchAll(/Step (\w+)[^\n]*\n([\s\S]*?)(?=\nStep |$)/g)].flatMap(([, name, said]) =>
    /\ntrain: (?!up to date)/.test(`\n${said}`) ? [name!] : [],
  );

test("a step may extend another of its file or of another pipeline, and read an adapter, a mixture and a teacher of a step", async () => {
  const { path, output, folder } = pipeline((steps) => {
    steps.base!.lora = { r: 4 };
    steps.middle = {
      extends: "#base",
      trainer: { learning_rate: 0.001 },
      student: { config: null, seed: null, step: "base", adapter: { step: "base" } },
      tokenizer: null,
    };
    steps.last = {
      extends: "#middle",
      student: { adapter: null },
      lora: null,
      teacher: { step: "middle" },
      dataset: {
        mix: [
          { generate: { type: "arithmetic" }, rows: 9 },
          { path: "rows.jsonl", limit: 4 },
        ],
      },
    };
  });
  const { steps } = readPipeline(path)!;
  assert.deepEqual(
    steps.map(({ name, after }) => [name, ...after]),
    [["base"], ["middle", "base"], ["last", "base", "middle"]],
  );
  const [, middle, last] = steps.map(({ recipe }) => recipe);
  assert.deepEqual(middle!.student, {
    path: join(output, "base", "student"),
    adapter: join(output, "base", "adapter"),
  });
  assert.deepEqual([middle!.trainer.max_steps, middle!.trainer.learning_rate], [2, 0.001]);
  assert.deepEqual(last!.student, { path: join(output, "base", "student") });
  assert.deepEqual(
    [last!.teacher!.type, (last!.teacher as { path?: string }).path],
    ["engine", join(output, "middle", "student")],
  );
  assert.deepEqual((last!.dataset as { mix: object[] }).mix[1], { path: join(folder, "rows.jsonl"), limit: 4 });

  writeFileSync(
    join(folder, "other.yaml"),
    stringify({
      name: "other",
      steps: {
        only: { extends: "pipeline.yaml#middle", trainer: { seed: 9 } },
        base: { extends: "shared.yaml", lora: { r: 4 } },
      },
    }),
  );
  const [, only] = readPipeline(join(folder, "other.yaml"))!.steps;
  assert.deepEqual([only!.name, only!.recipe.trainer.learning_rate, only!.recipe.trainer.seed], ["only", 0.001, 9]);
  assert.deepEqual(only!.after, ["base"]);
});

const REFUSED: [what: string, change: (steps: Record<string, Record<string, unknown>>) => void, said: RegExp][] = [
  [
    "a step that there is not",
    (steps) => {
      steps.last!.student = { step: "lost" };
    },
    /steps\.last reads from a step "lost", which there is not\. Expected one of: last, middle, base/,
  ],
  [
    "a circle",
    (steps) => {
      steps.base!.student = { step: "last" };
      steps.base!.tokenizer = null;
    },
    /steps read from each other in a circle: last → middle → base → last/,
  ],
  [
    "a result that a step does not have",
    (steps) => {
      steps.last!.student = { step: "base", of: "export/gguf" };
    },
    /steps\.last reads "export\/gguf" of the step base, which does not leave that\. Expected one of: student\./,
  ],
  [
    "a step of another file that there is not",
    (steps) => {
      steps.last!.extends = "shared.yaml#first";
    },
    /extends names the step "first" of shared\.yaml, which there is not\. Expected one of: none, since it has no steps/,
  ],
  [
    "steps that extend each other",
    (steps) => {
      steps.base!.extends = "#last";
      steps.last!.extends = "#base";
    },
    /steps extend each other in a circle: \w+ → \w+ → \w+/,
  ],
  [
    "a step's name with a point, which an override could not tell from a key",
    (steps) => {
      steps["last.one"] = { extends: "#base" };
    },
    /steps.*last\.one.*only letters, digits, '_' and '-'/,
  ],
  [
    "a key that no recipe has",
    (steps) => {
      steps.base!.trainr = {};
    },
    /pipeline\.yaml, steps\.base, is not a valid recipe: unknown key "trainr" \(did you mean "trainer"\?\)/,
  ],
  [
    "a file that is not there",
    (steps) => {
      steps.base!.extends = "gone.yaml";
    },
    /gone\.yaml/,
  ],
];

for (const [what, change, said] of REFUSED)
  test(`a pipeline is refused in a sentence: ${what}`, async () => {
    const { code, err } = await distill("train", pipeline(change).path);
    assert.equal(code, 1);
    assert.match(err, said);
  });

test("a recipe without steps has none to run alone", async () => {
  assert.match(
    (await distill("train", recipe().path, "--step", "base")).err,
    /has no steps, so none of them can be run alone/,
  );
});
