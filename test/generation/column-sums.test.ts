/** @file What matrices read, beside a forward pass in double precision that knows nothing of graphs. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { seededRandom } from "../../src/core/random.ts";
import { columnSums } from "../../src/generation/column-sums.ts";
import { createModel, initialWeights, type ModelConfig } from "../../src/models/load.ts";
import type { Model } from "../../src/models/model.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { TOY } from "../support/training.ts";

const CONFIG = { ...TOY, rms_norm_eps: 1e-6, rope_theta: 10_000, initializer_range: 0.2 };
const [WIDTH, HEADS, KV_HEADS, HEAD] = [32, 4, 2, 8];

let device: Device;
before(async () => {
  device = await openDevice("cpu", { threads: 1 });
});
after(() => device.close());

type Rows = number[][];
type Weights = ReadonlyMap<string, { data: Float32Array; width: number }>;

async function opened(config: ModelConfig = CONFIG): Promise<{ model: Model; weights: Weights }> {
  const model = createModel(config, "the test's config");
  const weights = new Map<string, { data: Float32Array; width: number }>();
  for (const { name, shape, data } of initialWeights(model, 5)) {
    weights.set(name, { data: data.slice(), width: shape.at(-1)! });
    await device.write(name, tensor("float32", shape, data));
  }
  return { model, weights };
}

/** Σ x² of what each matrix reads of one text, in a Llama without a head of its own. */
function forward(tokens: readonly number[], weights: Weights): Map<string, number[]> {
  const sums = new Map<string, number[]>();
  const product = (x: Rows, name: string): Rows => {
    const { data, width } = weights.get(`${name}.weight`)!;
    sums.set(
      `${name}.weight`,
      Array.from({ length: width }, (_, c) => x.reduce((sum, row) => sum + row[c]! ** 2, 0)),
    );
    const out = data.length / width;
    return x.map((row) =>
      Array.from({ length: out }, (_, o) => row.reduce((sum, value, c) => sum + value * data[o * width + c]!, 0)),
    );
  };
  const norm = (x: Rows, name: string): Rows =>
    x.map((row) => {
      const scale = 1 / Math.sqrt(row.reduce((sum, value) => sum + value ** 2, 0) / row.length + 1e-6);
      return row.map((value, c) => value * scale * weights.get(`${name}.weight`)!.data[c]!);
    });
  const rotated = (row: readonly number[], position: number): number[] =>
    row.map((value, c) => {
      const [i, half] = [c % HEAD, HEAD / 2];
      const angle = position * 10_000 ** (-(i % half) / half);
      const other = i < half ? -row[c + half]! : row[c - half]!;
      return value * Math.cos(angle) + other * Math.sin(angle);
    });
  const add = (x: Rows, y: Rows): Rows => x.map((row, t) => row.map((value, c) => value + y[t]![c]!));

  const embedding = weights.get("model.embed_tokens.weight")!.data;
  let x: Rows = tokens.map((id) => [...embedding.subarray(id * WIDTH, (id + 1) * WIDTH)]);
  for (const layer of [0, 1].map((i) => `model.layers.${i}`)) {
    const read = norm(x, `${layer}.input_layernorm`);
    const [q, k] = ["q_proj", "k_proj"].map((name) => product(read, `${layer}.self_attn.${name}`).map(rotated));
    const v = product(read, `${layer}.self_attn.v_proj`);
    const attended = q!.map((row, t) =>
      Array.from({ length: HEADS }, (_, h) => {
        const at = (h * KV_HEADS) / HEADS;
        const kv = Math.floor(at) * HEAD;
        const scores = Array.from({ length: t + 1 }, (_, s) => {
          let dot = 0;
          for (let c = 0; c < HEAD; c++) dot += row[h * HEAD + c]! * k![s]![kv + c]!;
          return Math.exp(dot / Math.sqrt(HEAD));
        });
        const total = scores.reduce((a, b) => a + b, 0);
        return Array.from({ length: HEAD }, (_, c) =>
          scores.reduce((sum, score, s) => sum + (score / total) * v[s]![kv + c]!, 0),
        );
      }).flat(),
    );
    x = add(x, product(attended, `${layer}.self_attn.o_proj`));
    const fed = norm(x, `${layer}.post_attention_layernorm`);
    const gate = product(fed, `${layer}.mlp.gate_proj`);
    const up = product(fed, `${layer}.mlp.up_proj`);
    const gated = gate.map((row, t) => row.map((value, c) => (value / (1 + Math.exp(-value))) * up[t]![c]!));
    x = add(x, product(gated, `${layer}.mlp.down_proj`));
  }
  product(norm(x, "model.norm"), "model.embed_tokens");
  return sums;
}

test("each matrix's sums are those of a forward pass of every text alone", async () => {
  const { model, weights } = await opened();
  const random = seededRandom(9);
  const text = (length: number) => Array.from({ length }, () => random.below(40));
  // several rows of one program, and padding in them; 2100 tokens are two runs
  const texts = [text(7), text(60), text(3), text(33), text(20), ...Array.from({ length: 40 }, () => text(50))];
  const done: number[] = [];
  const found = (await columnSums(device, model, texts, { onTokens: (tokens) => done.push(tokens) }))!;
  assert.deepEqual([done.length > 1, done.at(-1)], [true, 2123]);
  assert.equal(found.size, 15);
  const expected = new Map<string, number[]>();
  for (const one of texts)
    for (const [name, sums] of forward(one, weights)) {
      const before = expected.get(name) ?? sums.map(() => 0);
      expected.set(
        name,
        sums.map((sum, c) => sum + before[c]!),
      );
    }
  for (const [name, sums] of expected)
    for (const [column, sum] of sums.entries()) {
      const ours = found.get(name)![column]!;
      assert.ok(Math.abs(ours - sum) < 1e-4 * sum, `${name}, column ${column}: ${ours} for ${sum}`);
    }
});

test("a head of its own reads what the last norm gives, and nothing is read of embeddings", async () => {
  const { model } = await opened({ ...CONFIG, tie_word_embeddings: false });
  const found = (await columnSums(device, model, [[1, 2, 3]]))!;
  assert.equal(found.has("model.embed_tokens.weight"), false);
  assert.equal(found.get("lm_head.weight")!.length, WIDTH);
});

for (const [family, changes] of Object.entries({
  qwen2: { model_type: "qwen2" },
  qwen3: { model_type: "qwen3", head_dim: 8 },
  gemma3_text: {
    model_type: "gemma3_text",
    head_dim: 8,
    sliding_window: 4,
    query_pre_attn_scalar: 8,
    layer_types: ["sliding_attention", "full_attention"],
  },
}))
  test(`every matrix of ${family} is found`, async () => {
    const { model } = await opened({ ...CONFIG, ...changes });
    const found = (await columnSums(device, model, [[1, 2, 3, 4, 5, 6, 7, 8]]))!;
    const matrices = model.parameters.filter(({ shape }) => shape.length === 2).map(({ name }) => name);
    assert.deepEqual([...found.keys()].sort(), matrices.sort());
  });

test("it ends between runs where it is stopped", async () => {
  const { model } = await opened();
  const stopping = new AbortController();
  stopping.abort();
  assert.equal(await columnSums(device, model, [[1, 2]], { signal: stopping.signal }), undefined);
});
