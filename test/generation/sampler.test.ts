import assert from "node:assert/strict";
import { after, test } from "node:test";
import { seededRandom } from "../../src/core/random.ts";
import { batchShape, layOut } from "../../src/data/batch.ts";
import { drawToken } from "../../src/generation/draw.ts";
import { type Continuation, openSampler, type Request } from "../../src/generation/sampler.ts";
import { tokenFeeds, tokenInputs } from "../../src/generation/tokens.ts";
import type * as families from "../../src/models/index.ts";
import { createModel } from "../../src/models/load.ts";
import type { Model } from "../../src/models/model.ts";
import { linear } from "../../src/nn/linear.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { testDevice } from "../support/finite-differences.ts";
import { prepare, TOY } from "../support/training.ts";
import { whyNoVulkan } from "../support/vulkan.ts";

const SMALL: Record<keyof typeof families, object> = {
  llama: {},
  qwen2: {},
  qwen3: { head_dim: 8 },
  gemma3_text: { head_dim: 8, sliding_window: 5, sliding_window_pattern: 2, query_pre_attn_scalar: 8 },
};

/** Prompts of unequal length, one of them twice, and seeds. */
const REQUESTS: Request[] = [[1, 5, 9], [7], [3, 3, 8, 20, 4, 11, 6], [1, 5, 9], [12, 30]].map((tokens, i) => ({
  tokens,
  seed: 100 + i,
}));
const STOPS = [2, 10, 17, 25, 33];
const WAYS = {
  greedily: { temperature: 0, top_k: 0, top_p: 1, min_p: 0, max_completion_length: 40 },
  "with seeds": { temperature: 1, top_k: 0, top_p: 1, min_p: 0, max_completion_length: 40 },
  "with seeds and less than all tokens": {
    temperature: 0.8,
    top_k: 9,
    top_p: 0.9,
    min_p: 0.01,
    max_completion_length: 12,
  },
};
type Way = (typeof WAYS)["greedily"];

/** One text alone, all of it computed again for every token. */
async function wholeText(device: Device, model: Model, { tokens, seed }: Request, way: Way): Promise<Continuation> {
  const { uniform } = seededRandom(seed);
  const vocab = model.head.shape[0] as number;
  const shape = batchShape(1, 64, vocab);
  const program = await device.compile({ logits: linear(model.hidden(tokenInputs(shape)), model.head) });
  const text = [...tokens];
  const logprobs: number[] = [];
  let finish_reason: "stop" | "length" = "length";
  while (text.length - tokens.length < way.max_completion_length) {
    const { logits } = await program.run(tokenFeeds(layOut([[{ tokens: text, supervised: [] }]], shape)));
    const own = (logits!.data as Float32Array).subarray((text.length - 1) * vocab, text.length * vocab);
    const token = drawToken(own, way, uniform)!;
    const max = Math.max(...own);
    logprobs.push(own[token]! - max - Math.log(own.reduce((sum, x) => sum + Math.exp(x - max), 0)));
    text.push(token);
    if (!STOPS.includes(token)) continue;
    finish_reason = "stop";
    break;
  }
  await program.release();
  return { index: 0, tokens: text.slice(tokens.length), logprobs, finish_reason };
}

async function sampled(device: Device, model: Model, way: Way, sequences = 64): Promise<Continuation[]> {
  const sampler = await openSampler(device, model, { stops: STOPS, context_size: 64, sequences });
  const found: Continuation[] = [];
  for await (const one of sampler.generate(REQUESTS, way)) found[one.index] = one;
  await sampler.close();
  return found;
}

for (const [model_type, changes] of Object.entries(SMALL))
  test(`${model_type}: texts of unequal length that are continued with a cache have the tokens of whole texts`, async () => {
    const device = await testDevice();
    const model = await prepare(device, { ...TOY, model_type, initializer_range: 0.3, ...changes });
    for (const way of Object.values(WAYS)) {
      const found = await sampled(device, model, way);
      for (const [index, request] of REQUESTS.entries()) {
        const { logprobs, ...expected } = await wholeText(device, model, request, way);
        const { logprobs: ours, ...rest } = found[index]!;
        assert.deepEqual(rest, { ...expected, index });
        for (const [i, logprob] of logprobs.entries()) assert.ok(Math.abs(ours[i]! - logprob) < 1e-4);
      }
      if (way.temperature === 1)
        assert.ok(new Set(found.map(({ tokens }) => tokens.length)).size > 1, "they should end one after the other");
      const alone = await sampled(device, model, way, 2);
      assert.deepEqual(
        alone.map(({ tokens }) => tokens),
        found.map(({ tokens }) => tokens),
      );
    }
  });

test(
  "the sampler on webgpu, no node on the CPU, gives the tokens of the CPU",
  { skip: whyNoVulkan() ?? false },
  async () => {
    const webgpu = await openDevice("webgpu", { strict: true });
    const config = { ...TOY, initializer_range: 0.3 };
    const [theirs, ours] = [await prepare(webgpu, config), await prepare(await testDevice(), config)];
    for (const way of [WAYS.greedily, WAYS["with seeds"]]) {
      const tokens = (all: Continuation[]) => all.map(({ tokens }) => tokens);
      assert.deepEqual(
        tokens(await sampled(webgpu, theirs, way)),
        tokens(await sampled(await testDevice(), ours, way)),
      );
    }
    await webgpu.close();
  },
);

test("weights that change between calls are the ones that are asked", async () => {
  const device = await testDevice();
  const model = await prepare(device, { ...TOY, initializer_range: 0.3 }, 3);
  const sampler = await openSampler(device, model, { stops: STOPS, context_size: 64 });
  const all = async () => {
    const found: number[][] = [];
    for await (const { index, tokens } of sampler.generate(REQUESTS, WAYS.greedily)) found[index] = tokens;
    return found;
  };
  const before = await all();
  const other = await prepare(device, { ...TOY, initializer_range: 0.3 }, 4);
  const changed = await all();
  assert.notDeepEqual(changed, before);
  assert.deepEqual(changed[2], (await wholeText(device, other, REQUESTS[2]!, WAYS.greedily)).tokens);
  await sampler.close();
});

test("a signal ends it early, and what cannot be continued is refused in a sentence", async () => {
  const device = await testDevice();
  const model = createModel(TOY, "test");
  await prepare(device, TOY);
  const sampler = await openSampler(device, model, { stops: [], context_size: 32 });
  const stop = new AbortController();
  const found: Continuation[] = [];
  const onTokens = (tokens: number) => tokens >= 10 && stop.abort();
  for await (const one of sampler.generate(REQUESTS, { ...WAYS.greedily, signal: stop.signal, onTokens }))
    found.push(one);
  assert.equal(found.length, 0);
  const refused = async (tokens: number[]) => {
    for await (const _ of sampler.generate([{ tokens, seed: 1 }], WAYS.greedily));
  };
  await assert.rejects(refused([]), /Text 0 has no tokens/);
  await assert.rejects(refused(new Array(32).fill(1)), /Text 0 has 32 tokens, which leaves no room .* in 32/);
  await sampler.close();
});

after(async () => (await testDevice()).close());
