import assert from "node:assert/strict";
import { test } from "node:test";
import { engine } from "../../src/teachers/engine.ts";
import { scratch, writeStudent } from "../support/students.ts";

/** A student whose prompts take some hundred ms to read. */
const LARGE = { hidden_size: 256, intermediate_size: 768, num_hidden_layers: 5, max_position_embeddings: 1024 };

const settings = { temperature: 1, top_p: 1, top_k: 0, min_p: 0, max_completion_length: 4, stop: [], top_logprobs: 0 };
const prompts = Array.from({ length: 12 }, (_, i) => ({ prompt: `${i}+1=`.repeat(100), seed: i }));

/** ms that processors have worked for this process: whatever else they do takes none of it. */
const work = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

test("an engine that reads prompts stops within them, and answers the next as if nothing had been", async () => {
  const folder = scratch();
  await writeStudent(folder, LARGE);
  const teacher = await engine.create(engine.options.parse({ path: folder, device: "cpu", threads: 1 }));
  const answers = async (signal?: AbortSignal) => {
    const found: string[] = [];
    for await (const { index, generation, error } of teacher.generate(prompts, {
      ...settings,
      ...(signal && { signal }),
    }))
      found[index] = error ?? generation!.completion;
    return found;
  };
  await answers(); // what is compiled once is no part of the others
  const start = work();
  const whole = await answers();
  const took = work() - start;
  for (const share of [0.1, 0.3, 0.6]) {
    const controller = new AbortController();
    const begun = work();
    let aborted = 0;
    const timer = setInterval(() => {
      if (aborted || work() - begun < share * took) return;
      aborted = work();
      controller.abort();
    }, 2);
    assert.deepEqual(await answers(controller.signal), []);
    clearInterval(timer);
    const late = work() - aborted;
    assert.ok(late < 0.25 * took, `stopped ${late} ms of work after the signal; all takes ${took} ms`);
  }
  const scored: number[] = [];
  const controller = new AbortController();
  const texts = prompts.map((_, i) => ({ tokens: Array.from({ length: 900 }, (_, k) => (k + i) % 20), from: 1 }));
  setTimeout(() => controller.abort(), 30);
  for await (const { index } of teacher.score!(texts, { top_logprobs: 2, signal: controller.signal }))
    scored.push(index);
  assert.deepEqual(scored, []);
  assert.deepEqual(await answers(), whole);
  await teacher.close();
});
