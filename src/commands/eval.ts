/** @file distill eval: how many test problems the trained student answers exactly. */

import { join } from "node:path";
import { z } from "zod";
import { create } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { writeWhole } from "../core/files.ts";
import { startProgress } from "../core/progress.ts";
import * as generators from "../data/generators/index.ts";
import { jsonLines } from "../data/rows.ts";
import { loadTokenizer } from "../data/tokenizer.ts";
import { greedy } from "../evaluation/greedy.ts";
import { createModel, loadWeights, readConfig } from "../models/load.ts";
import { type DatasetSource, readRecipe } from "../recipe/recipe.ts";
import { openDevice } from "../runtime/device.ts";
import { tensor } from "../runtime/tensor.ts";

export async function evaluate(recipePath: string, overrides: readonly string[], signal: AbortSignal): Promise<void> {
  const recipe = readRecipe(recipePath, overrides);
  if (!recipe.evaluation)
    throw new DistillError(`${recipePath} has no section "evaluation", which says what to test on.`);
  const { dataset, max_completion_length } = recipe.evaluation;
  const problems = testProblems(dataset);
  const folder = join(recipe.output!, "student");
  const config = readConfig(folder);
  const model = createModel(config, join(folder, "config.json"));
  const tokenizer = loadTokenizer(folder);

  const device = await openDevice(recipe.device, { threads: recipe.threads });
  try {
    for (const { name, shape, data } of loadWeights(folder, model))
      await device.write(name, tensor("float32", shape, data));
    const progress = startProgress("eval", problems.length, "problem");
    const prompts = problems.map(({ prompt }) => [
      ...(tokenizer.bos === undefined ? [] : [tokenizer.bos]),
      ...tokenizer.encode(prompt),
    ]);
    const completions = await greedy(device, model, prompts, {
      eos: tokenizer.eos,
      max_completion_length,
      signal,
      onStep: (done) => progress.update(done),
    });
    progress.end();
    if (signal.aborted) return;
    const traces = problems.map(({ prompt, answer }, i) => {
      const completion = tokenizer.decode(completions[i]!.filter((id) => id !== tokenizer.eos));
      return {
        prompt,
        answer,
        completion,
        extracted: extractAnswer(completion),
        correct: extractAnswer(completion) === answer,
      };
    });
    const correct = traces.filter((trace) => trace.correct).length;
    const path = join(recipe.output!, "evaluation", "greedy.jsonl");
    writeWhole(path, traces.map((trace) => `${JSON.stringify(trace)}\n`).join(""));
    console.log(
      `${correct} of ${problems.length} answered exactly: ${((100 * correct) / problems.length).toFixed(1)} %. Every answer is in ${path}.`,
    );
  } finally {
    await device.close();
  }
}

/** What stands in the one answer block that ends the completion. */
const extractAnswer = (completion: string) =>
  /^(?:(?!<\/?answer>).)*<answer>((?:(?!<\/?answer>).)*)<\/answer>$/s.exec(completion)?.[1]?.trim() ?? null;

const TestRow = z.object({ prompt: z.string(), answer: z.string() });

function testProblems(dataset: DatasetSource): z.output<typeof TestRow>[] {
  if ("path" in dataset)
    return [...jsonLines(dataset.path)].map(({ line, value }) => {
      const row = TestRow.safeParse(value);
      if (!row.success)
        throw new DistillError(`${dataset.path}, line ${line}: expected "prompt" and "answer", both text.`);
      return row.data;
    });
  const seen = new Map<string, z.output<typeof TestRow>>();
  for (const problem of create(generators, dataset.generate, "generator")("test", dataset.seed)) {
    seen.set(problem.prompt, problem);
    if (seen.size === dataset.rows) break;
  }
  return [...seen.values()];
}
