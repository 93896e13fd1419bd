import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { templateToAsk } from "../../src/commands/stages/evaluate.ts";
import { readTraces } from "../../src/data/traces.ts";
import { distill } from "../support/cli.ts";
import { recipe } from "../support/recipes.ts";

test("a student whose tokenizer has no chat template is measured on the text it was trained to continue", () => {
  const { path, output } = recipe({
    export: [{ type: "onnx", dtypes: ["fp32"] }],
    parity: { prompts: 1, max_completion_length: 4 },
    evaluation: {
      prompts: { generate: { type: "arithmetic" }, rows: 3, seed: 1 },
      num_generations: 1,
      temperature: 0,
      max_completion_length: 8,
      models: ["student", "student-onnx-fp32"],
    },
  });
  const { code, out, err } = distill("run", path);
  assert.equal(code, 0, err);
  assert.match(out, /student-onnx-fp32/);
  const [llama, onnx] = ["student", "student-onnx-fp32"].map((name) => [
    ...readTraces(join(output, "evaluation/traces", name)),
  ]);
  assert.deepEqual(
    llama!.map(({ prompt_text }) => prompt_text),
    llama!.map(({ prompt }) => prompt),
  );
  for (const [i, { prompt_text, completion }] of llama!.entries()) {
    assert.match(prompt_text, /^\d+\*\d+[-+]\d+=\?$/);
    assert.deepEqual([onnx![i]!.prompt_text, onnx![i]!.completion], [prompt_text, completion]);
  }
});

test("a student without a chat template is asked as its teacher was, if it learned from one", () => {
  const none = { template: undefined };
  const teacher = { type: "llama_cpp", path: "data/models/stories-teacher-q8_0.gguf" } as const;
  const asked = (recipe: object, student: { template: string | undefined } = none) =>
    templateToAsk(recipe as Parameters<typeof templateToAsk>[0], student);
  assert.equal(asked({}), "plain");
  assert.equal(asked({ teacher, dataset: { path: "pairs.jsonl" } }), "plain");
  assert.equal(asked({ teacher: { ...teacher, chat_template: "r1" } }), "r1");
  assert.match(asked({ teacher })!, /\{%.*messages/s);
  assert.equal(asked({ teacher }, { template: "its own" }), undefined);
});
