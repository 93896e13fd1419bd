import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { readTraces } from "../../src/data/traces.ts";
import { distill } from "../support/cli.ts";
import { recipe } from "../support/recipes.ts";

test("a student whose tokenizer has no chat template is measured on the text it was trained to continue", async () => {
  const { path, output } = recipe({
    export: [{ type: "onnx", dtypes: ["fp32"] }],
    parity: { prompts: 1, max_completion_length: 4 },
    evaluation: {
      prompts: { generate: { type: "arithmetic" }, rows: 3, seed: 1 },
      num_generations: 1,
      temperature: 0,
      max_completion_length: 8,
      models: ["student", "student-onnx-fp32"],
      rewards: [{ type: "format" }],
    },
  });
  const { code, out, err } = await distill("run", path);
  assert.equal(code, 0, err);
  assert.match(out, /cons@k +format +truncated/);
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
