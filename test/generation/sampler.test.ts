import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { seededRandom } from "../../src/core/random.ts";
import { drawProbable } from "../../src/generation/draw.ts";
import { openLogits, type TextLogits } from "../../src/generation/logits.ts";
import {
  type Completion,
  type CompletionOptions,
  type CompletionRequest,
  openSampler,
} from "../../src/generation/sampler.ts";
import { createModel, initialWeights, type ModelConfig } from "../../src/models/load.ts";
import type { Model, ModelOptions } from "../../src/models/model.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { prepareLora } from "../support/lora.ts";
import { TOY } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const { cases } = JSON.parse(readFileSync("test/reference/families.json", "utf8")) as {
  cases: Record<string, { config: ModelConfig }>;
};
const STOP = 7;
const stops = [STOP];

const device = await openDevice("cpu", { threads: 1 });
after(() => device.close());

/** A model of a family with weights so large that what it says depends on all that it has read. */
async function modelOf(type: string, on = device, options?: ModelOptions): Promise<Model> {
  const { config } = cases[type]!;
  const model = createModel({ ...config, initializer_range: 0.25 }, type, options);
  for (const { name, shape, data } of initialWeights(model, 12)) await on.write(name, tensor("float32", shape, data));
  return model;
}

/** Two prompts are equal, and one is longer than the window of the families that have one. */
const requests: CompletionRequest[] = [
  [1],
  [2, 3, 4],
  [5, 6, 1, 2, 9, 11, 3, 8, 20, 21],
  [2, 3, 4],
  [30],
  [31, 32],
].map((tokens, seed) => ({ tokens, seed }));

/** The completion that the logits of the whole text say, computed again for every token. */
async function recomputed(
  model: Model,
  whole: TextLogits,
  { tokens, seed }: CompletionRequest,
  { temperature = 1, top_k = 0, top_p = 1, min_p = 0, max_completion_length }: CompletionOptions,
): Promise<Omit<Completion, "index">> {
  const vocab = model.head.shape[0] as number;
  const { uniform } = seededRandom(seed);
  const [drawn, logprobs]: [number[], number[]] = [[], []];
  while (drawn.length < max_completion_length) {
    const text = [...tokens, ...drawn];
    const row = Float64Array.from((await whole.logits(text)).subarray((text.length - 1) * vocab));
    const max = Math.max(...row);
    const total = row.reduce((sum, x) => sum + Math.exp(x - max), 0);
    const p = Float32Array.from(row, (x) => Math.exp(x - max) / total);
    const token = drawProbable(p, { temperature, top_k, top_p, min_p }, uniform)!;
    drawn.push(token);
    logprobs.push(row[token]! - max - Math.log(total));
    if (token === STOP) return { tokens: drawn, logprobs, finish_reason: "stop" };
  }
  return { tokens: drawn, logprobs, finish_reason: "length" };
}

async function completions(
  on: Device,
  model: Model,
  asked: readonly CompletionRequest[],
  options: CompletionOptions,
): Promise<Completion[]> {
  const sampler = openSampler(on, model, { stops });
  const all: Completion[] = [];
  for await (const completion of sampler.generate(asked, options)) all[completion.index] = completion;
  await sampler.close();
  return all;
}

function assertSame(found: Completion | undefined, expected: Omit<Completion, "index">, what: string): void {
  assert.deepEqual(found?.tokens, expected.tokens, what);
  assert.equal(found.finish_reason, expected.finish_reason, what);
  for (const [i, logprob] of found.logprobs.entries())
    assert.ok(
      Math.abs(logprob - expected.logprobs[i]!) < 1e-5,
      `${what}, token ${i}: ${logprob}, ${expected.logprobs[i]}`,
    );
}

const WAYS = {
  greedily: { temperature: 0 },
  drawn: {},
  "drawn hot": { temperature: 1.3 },
  "drawn and cut": { temperature: 0.7, top_p: 0.9, top_k: 20 },
};

for (const type of Object.keys(cases)) // every family has one: test/models/families.test.ts
  test(`${type}: completions of unequal prompts are those of the whole text computed again for every token`, async () => {
    const model = await modelOf(type);
    const whole = openLogits(device, model);
    for (const [way, how] of Object.entries(WAYS)) {
      const options = { ...how, max_completion_length: 20, sequences: 4 };
      const found = await completions(device, model, requests, options);
      for (const [i, request] of requests.entries())
        assertSame(found[i], await recomputed(model, whole, request, options), `${way}, request ${i}`);
    }
    await whole.close();
  });

test("a model with large matrices says the same, alone or among many", async () => {
  const config = { ...TOY, vocab_size: 600, hidden_size: 256, intermediate_size: 512, num_hidden_layers: 1 };
  const model = createModel(config, "large");
  for (const { name, shape, data } of initialWeights(model, 12))
    await device.write(name, tensor("float32", shape, data));
  const whole = openLogits(device, model);
  const many = Array.from({ length: 60 }, (_, i) => ({ tokens: requests[i % requests.length]!.tokens, seed: i }));
  const options = { max_completion_length: 5, sequences: 60 };
  const found = await completions(device, model, many, options);
  for (const [i, request] of many.slice(0, 8).entries()) {
    assertSame(found[i], await recomputed(model, whole, request, options), `request ${i}`);
    assertSame((await completions(device, model, [request], options))[0], found[i]!, `request ${i} alone`);
  }
  await whole.close();
});

for (const base of ["float32", "q8_0"] as const)
  test(`an adapter beside weights in ${base} speaks, and nothing of it is dropped out`, async () => {
    const { config } = cases.llama!;
    const lora = { r: 4, lora_dropout: 0.5 };
    const options = { random: true, base: () => base };
    const model = await prepareLora(device, { ...config, initializer_range: 0.25 }, lora, options);
    const limit = { max_completion_length: 12 };
    const found = await completions(device, model, requests, limit);
    const whole = openLogits(device, model);
    for (const [i, request] of requests.entries())
      assertSame(found[i], await recomputed(model, whole, request, limit), `request ${i}`);
    await whole.close();
  });

test("a request's tokens do not depend on the batch that it is drawn in, nor on when it gets its place", async () => {
  const model = await modelOf("llama");
  const many = Array.from({ length: 40 }, (_, i) => ({ tokens: requests[i % requests.length]!.tokens, seed: i }));
  const options = { max_completion_length: 16 };
  const [alone, few, all] = [
    await completions(device, model, many, { ...options, sequences: 1 }),
    await completions(device, model, many, { ...options, sequences: 5 }),
    await completions(device, model, many, options),
  ];
  assert.ok(new Set(all.map(({ tokens }) => tokens.length)).size > 5, "they end at different times");
  for (const [i, completion] of alone.entries()) {
    assertSame(few[i], completion, `request ${i} among 5`);
    assertSame(all[i], completion, `request ${i} among all`);
  }
});

for (const residency of ["device", undefined] as const)
  test(
    `with states that ${residency ? "do not grow in place" : "stay on webgpu, no node on the CPU,"} completions are the same`,
    {
      skip: !residency && (whyNoVulkan() ?? false),
    },
    async () => {
      const on = residency ? await openDevice("cpu", { residency }) : await openDevice("webgpu", { strict: true });
      for (const type of ["gemma3_text", "qwen3"]) {
        const options = { max_completion_length: 12, sequences: 4 };
        const expected = await completions(device, await modelOf(type), requests, options);
        const found = await completions(on, await modelOf(type, on), requests, options);
        for (const [i, completion] of expected.entries()) {
          assert.deepEqual(found[i]!.tokens, completion.tokens, `${type}, request ${i}`);
          assert.deepEqual(
            found[i]!.logprobs.map((x) => Math.round(x * 1e3)),
            completion.logprobs.map((x) => Math.round(x * 1e3)),
          );
        }
      }
      await on.close();
    },
  );

test("long prompts are read in pieces", async () => {
  const random = seededRandom(2);
  const prompts = [2300, 2090].map((length) => Array.from({ length }, () => random.below(40)));
  const asked = prompts.map((tokens, seed) => ({ tokens, seed }));
  const options = { max_completion_length: 3 };
  const config = { ...cases.gemma3_text!.config, max_position_embeddings: 4096, initializer_range: 0.25 };
  const apart = await openDevice("cpu", { residency: "device" });
  const expected: Omit<Completion, "index">[] = [];
  for (const on of [device, apart]) {
    const model = createModel(config, "long");
    for (const { name, shape, data } of initialWeights(model, 12)) await on.write(name, tensor("float32", shape, data));
    const found = await completions(on, model, asked, options);
    const whole = openLogits(device, model);
    for (const [i, request] of asked.entries()) {
      expected[i] ??= await recomputed(model, whole, request, options);
      assertSame(found[i], expected[i], `request ${i}`);
    }
    await whole.close();
  }
  await apart.close();
});

test("a changed weight changes the next completions", async () => {
  const model = await modelOf("llama");
  const sampler = openSampler(device, model, { stops });
  const say = async () => {
    for await (const { tokens } of sampler.generate([requests[2]!], { max_completion_length: 10 })) return tokens;
  };
  const first = await say();
  assert.deepEqual(await say(), first);
  const { data } = await device.read(model.head.name!);
  await device.write(
    model.head.name!,
    tensor("float32", model.head.shape as number[], (data as Float32Array).reverse()),
  );
  assert.notDeepEqual(await say(), first);
  await sampler.close();
});

test("a signal ends early, and what was finished has been given", async () => {
  const model = await modelOf("llama");
  const sampler = openSampler(device, model, { stops });
  const many = Array.from({ length: 30 }, (_, seed) => ({ tokens: [1 + seed], seed }));
  const options = { max_completion_length: 30, sequences: 8 };
  const all = await completions(device, model, many, options);
  const stopping = new AbortController();
  const found: Completion[] = [];
  let generated = 0;
  const onTokens = (tokens: number) => {
    generated = tokens;
    if (tokens > 100) stopping.abort();
  };
  for await (const completion of sampler.generate(many, { ...options, signal: stopping.signal, onTokens }))
    found.push(completion);
  assert.ok(found.length > 2 && found.length < 30, `${found.length} of 30`);
  assert.ok(generated > 100 && generated <= 108, `${generated} tokens`);
  for (const completion of found) assertSame(completion, all[completion.index]!, `request ${completion.index}`);
  // and the sampler is free again, whoever stops listening
  for await (const { tokens } of sampler.generate(many, options)) {
    assert.ok(tokens.length > 0);
    break;
  }
  assert.equal((await device.states()).filter((name) => name.startsWith("sampler")).length, 0);
  await sampler.close();
});

test("a text is no longer than the model reads, and a prompt that leaves no room is refused", async () => {
  const { config } = cases.qwen3!;
  const model = createModel({ ...config, max_position_embeddings: 12 }, "short");
  for (const { name, shape, data } of initialWeights(model, 12))
    await device.write(name, tensor("float32", shape, data));
  const [completion] = await completions(device, model, [{ tokens: [9, 8, 3, 4, 5, 6, 2, 1], seed: 1 }], {
    max_completion_length: 40,
    temperature: 0,
  });
  assert.equal(completion!.tokens.length, 4);
  assert.equal(completion!.finish_reason, "length");
  const refused = (tokens: number[], message: RegExp) =>
    assert.rejects(completions(device, model, [{ tokens, seed: 1 }], { max_completion_length: 4 }), (error) => {
      assert.ok(error instanceof DistillError);
      assert.match(error.message, message);
      return true;
    });
  await refused([], /^The prompt of request 0 has no tokens\. Give at least one\.$/);
  await refused(new Array<number>(12).fill(1), /has 12 tokens, and The model reads texts of at most 12 \(max_pos/);
  await refused([1, 40], /has the token 40, and The model has the tokens 0 to 39/);
});
