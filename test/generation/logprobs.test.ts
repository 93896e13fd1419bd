import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { estimate } from "../../src/compiler/memory.ts";
import { targets } from "../../src/compiler/targets.ts";
import { DistillError } from "../../src/core/errors.ts";
import { seededRandom } from "../../src/core/random.ts";
import { batchShape } from "../../src/data/batch.ts";
import { openLogits } from "../../src/generation/logits.ts";
import { openScorer, type ScoredText, scores } from "../../src/generation/logprobs.ts";
import { openSampler } from "../../src/generation/sampler.ts";
import { createModel, initialWeights, type ModelConfig } from "../../src/models/load.ts";
import type { Model } from "../../src/models/model.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { TOY } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const { cases } = JSON.parse(readFileSync("test/reference/families.json", "utf8")) as {
  cases: Record<string, { config: ModelConfig }>;
};
const VOCAB = 40;
const TOP = 5;

const device = await openDevice("cpu", { threads: 1 });
after(() => device.close());

async function modelOf(config: ModelConfig, on = device): Promise<Model> {
  const model = createModel({ ...config, initializer_range: 0.25 }, "test");
  for (const { name, shape, data } of initialWeights(model, 12)) await on.write(name, tensor("float32", shape, data));
  return model;
}

/** Texts of many lengths; the completion of one is empty. */
const random = seededRandom(5);
const tokens = (length: number) => Array.from({ length }, () => random.below(VOCAB));
const texts: ScoredText[] = [
  [3, 9],
  [1, 1],
  [12, 40],
  [5, 0],
  [30, 30],
  [2, 60],
  [7, 13],
].map(([prompt, completion]) => ({ prompt: tokens(prompt!), completion: tokens(completion!) }));

type Expected = { logprob: number; entropy: number; top: [id: number, logprob: number][]; tail: number };

/** What the logits of the whole text say of each token of the completion, in float64. */
async function expectedOf(model: Model, { prompt, completion }: ScoredText, temperature: number): Promise<Expected[]> {
  const whole = openLogits(device, model);
  const logits = await whole.logits([...prompt, ...completion]);
  await whole.close();
  return completion.map((token, i) => {
    const at = prompt.length + i - 1;
    const row = [...logits.subarray(at * VOCAB, (at + 1) * VOCAB)].map((x) => x / temperature);
    const max = Math.max(...row);
    const z = max + Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0));
    const all = row.map((x, id): [number, number] => [id, x - z]).sort((a, b) => b[1] - a[1]);
    return {
      logprob: row[token]! - z,
      entropy: -all.reduce((sum, [, logprob]) => sum + Math.exp(logprob) * logprob, 0),
      top: all.slice(0, TOP),
      tail: all.slice(TOP).reduce((sum, [, logprob]) => sum + Math.exp(logprob), 0),
    };
  });
}

const near = (found: number, expected: number, what: string, limit = 1e-5) =>
  assert.ok(Math.abs(found - expected) < limit, `${what}: ${found}, expected ${expected}`);

async function assertScores(on: Device, model: Model, here: Model, temperature: number): Promise<void> {
  const scorer = openScorer(on, model, { max_length: 100, rows: 2, entropy: true, top: TOP });
  const found = await scorer.score(texts, { temperature });
  await scorer.close();
  for (const [i, text] of texts.entries()) {
    const expected = await expectedOf(here, text, temperature);
    const { logprobs, entropies, top } = found[i]!;
    assert.deepEqual(
      [logprobs.length, entropies!.length, top!.ids.length, top!.tail.length],
      [1, 1, TOP, 1].map((n) => n * expected.length),
    );
    for (const [t, { logprob, entropy, top: likeliest, tail }] of expected.entries()) {
      const what = `text ${i}, token ${t}`;
      near(logprobs[t]!, logprob, what);
      near(entropies![t]!, entropy, `${what}, entropy`);
      near(top!.tail[t]!, tail, `${what}, tail`, 1e-5 * tail);
      for (const [k, [id, likely]] of likeliest.entries()) {
        assert.equal(top!.ids[t * TOP + k], id, what);
        near(top!.logprobs[t * TOP + k]!, likely, `${what}, place ${k}`);
      }
    }
  }
}

for (const type of Object.keys(cases))
  test(`${type}: scores are those of the whole text's logits in float64, however texts are packed`, async () => {
    const model = await modelOf(cases[type]!.config);
    for (const temperature of [1, 0.6]) await assertScores(device, model, model, temperature);
  });

test("the same on webgpu, no node on the CPU", { skip: whyNoVulkan() ?? false }, async () => {
  const on = await openDevice("webgpu", { strict: true });
  const { config } = cases.llama!;
  await assertScores(on, await modelOf(config, on), await modelOf(config), 1);
  await on.close();
});

test("log-probabilities are those that the sampler gave", async () => {
  const model = await modelOf(cases.gemma3_text!.config);
  const sampler = openSampler(device, model, { stops: [7] });
  const requests = texts.map(({ prompt }, seed) => ({ tokens: prompt, seed }));
  const drawn: { text: ScoredText; logprobs: number[] }[] = [];
  for await (const { index, tokens, logprobs } of sampler.generate(requests, { max_completion_length: 30 }))
    drawn.push({ text: { prompt: texts[index]!.prompt, completion: tokens }, logprobs });
  await sampler.close();
  const scorer = openScorer(device, model, { max_length: 128 });
  const found = await scorer.score(drawn.map(({ text }) => text));
  await scorer.close();
  assert.equal(found.length, texts.length);
  for (const [i, { logprobs }] of drawn.entries())
    for (const [t, logprob] of logprobs.entries()) near(found[i]!.logprobs[t]!, logprob, `text ${i}, token ${t}`);
});

test("other states can stand in for the weights", async () => {
  const model = await modelOf(cases.llama!.config);
  const scorer = openScorer(device, model, { max_length: 128 });
  const [own] = await scorer.score(texts);
  await device.write("ref", { ...(await device.read("model.norm.weight")) });
  await device.write("model.norm.weight", tensor("float32", [32], new Float32Array(32).fill(0.1)));
  const changed = await scorer.score(texts);
  assert.notDeepEqual(changed[0], own);
  const other = openScorer(device, model, { max_length: 128, reads: { "model.norm.weight": "ref" } });
  assert.deepEqual((await other.score(texts))[0], own);
  await scorer.close();
  await other.close();
});

test("logits never exist for more than a chunk of tokens", () => {
  const vocab = 2 ** 17;
  const model = createModel({ ...TOY, vocab_size: vocab }, "test");
  const shape = batchShape(4, 512, vocab);
  assert.equal(shape.chunks, 8);
  const chunk = (4 * 512) / shape.chunks;
  const sizes = (name: string) => {
    const [, block] = /^keys_(\d+)$/.exec(name) ?? [];
    return name === "supervised" ? chunk : (Number(block) + 1) * shape.block;
  };
  const of = (options: Parameters<typeof scores>[2]) =>
    estimate(scores(model, shape, options), targets.cpu, sizes).peak_bytes / (4 * chunk * vocab);
  // logits and what is made of them, beside what is small
  assert.ok(of({ entropy: false, top: 0, tempered: false }) < 2.1);
  assert.ok(of({ entropy: true, top: 20, tempered: true }) < 3.1);
});

test("a text without a prompt or without room is refused, and so are logits that are not finite", async () => {
  const model = await modelOf(cases.llama!.config);
  const scorer = openScorer(device, model, { max_length: 10, source: "The student" });
  const refused = (text: ScoredText, message: RegExp) =>
    assert.rejects(scorer.score([{ prompt: [1], completion: [2] }, text]), (error) => {
      assert.ok(error instanceof DistillError);
      assert.match(error.message, message);
      return true;
    });
  await refused({ prompt: [], completion: [1] }, /^Text 1 has no prompt to predict its completion from/);
  await refused({ prompt: [1], completion: tokens(10) }, /^Text 1 has 11 tokens, and at most 10 were asked for/);
  await device.write("model.norm.weight", tensor("float32", [32], new Float32Array(32).fill(Number.NaN)));
  await refused({ prompt: [1], completion: [1] }, /^The student gives logits that are not finite in text 0\./);
  await scorer.close();
});
