import assert from "node:assert/strict";
import { test } from "node:test";
import { readPrompts } from "../../src/data/prompts.ts";
import { expanded, presets } from "../../src/evaluation/presets.ts";
import { isHubReference, parseHubReference } from "../../src/hub/reference.ts";
import { Evaluation, evaluationsOf, recipeOf, withPresets } from "../../src/recipe/recipe.ts";
import { scratch } from "../support/students.ts";

const keys = (evaluation: unknown) => ({
  name: "x",
  student: { path: "none" },
  dataset: { path: "none" },
  evaluation,
});
const read = (evaluation: unknown) => recipeOf(keys(evaluation), "x.yaml", scratch());

test("every preset is a measurement, of files of the hub, with samples and limits that papers have", () => {
  for (const [name, preset] of Object.entries(presets)) {
    const { prompts } = Evaluation.parse(withPresets({ preset: name }));
    const paths = "path" in prompts ? [prompts.path].flat() : [];
    for (const path of paths) {
      assert.ok(isHubReference(path), name);
      const { type, file } = parseHubReference(path);
      assert.deepEqual([type, file !== undefined], ["dataset", true]);
    }
    assert.ok(preset.protocol === "greedy" || ("num_generations" in preset && preset.num_generations >= 4), name);
  }
  const { temperature, top_p, max_completion_length, num_generations } = Evaluation.parse(
    withPresets({ preset: "aime24" }),
  );
  assert.deepEqual([temperature, top_p, max_completion_length, num_generations], [0.6, 0.95, 32_768, 64]);
});

test("a recipe's own keys go before its protocol, and that before the preset", () => {
  const own = expanded({
    preset: "gsm8k",
    protocol: "deepseek_r1",
    num_generations: 8,
    prompts: { path: "mine.jsonl" },
  });
  assert.deepEqual([own.temperature, own.max_completion_length, own.num_generations], [0.6, 32_768, 8]);
  const { instruction, form, path } = own.prompts as Record<string, string>;
  assert.deepEqual([form, path], ["gsm8k", "mine.jsonl"]);
  assert.match(instruction!, /^\{prompt\}\n\n.*\\boxed\{\}\.$/);
  assert.deepEqual(expanded({ preset: "aime24", prompts: { generate: { type: "arithmetic" }, rows: 3 } }).prompts, {
    generate: { type: "arithmetic" },
    rows: 3,
  });
  assert.throws(() => expanded({ preset: "gsm9k" }), /There is no preset "gsm9k" \(did you mean "gsm8k"\?\)/);
});

test("several measurements have names of their own; one alone is what it always was", () => {
  const prompts = { path: "a.jsonl" };
  assert.equal(evaluationsOf(read({ prompts })).length, 1);
  const two = evaluationsOf(
    read([
      { name: "a", prompts },
      { name: "b", preset: "math_500", prompts },
    ]),
  );
  assert.deepEqual(
    two.map(({ name, num_generations }) => [name, num_generations]),
    [
      ["a", 4],
      ["b", 4],
    ],
  );
  assert.throws(() => read([{ prompts }]), /name/);
  assert.throws(
    () =>
      read([
        { name: "a", prompts },
        { name: "a", prompts },
      ]),
    /give each measurement a name of its own/,
  );
  assert.throws(() => read([{ name: "traces", prompts }]), /no measurement can be called/);
  assert.throws(
    () => read({ preset: "gsm8k", prompts: { instruction: "Solve it." } }),
    /expected a text with "\{prompt\}"/,
  );
});

test("a sentence says that a file of the hub is asked for where none is given", async () => {
  await assert.rejects(
    readPrompts({ path: "hf:datasets/openai/gsm8k:main/none.parquet" }, "test"),
    /Dataset not found/,
  );
});
