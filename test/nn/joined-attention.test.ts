import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gradients } from "../../src/compiler/gradients.ts";
import { constant, input, type Value } from "../../src/graph/value.ts";
import type * as families from "../../src/models/index.ts";
import { createModel } from "../../src/models/load.ts";
import { attention } from "../../src/nn/attention.ts";
import { headRotation, joinedAttention } from "../../src/nn/joined-attention.ts";
import { rotary, rotaryTables } from "../../src/nn/rotary.ts";
import { Concat, Mul, ReduceSum, Reshape } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { nextToken, nextTokenFeeds } from "../../src/trainers/supervised.ts";
import { assertGradient, random, testDevice } from "../support/finite-differences.ts";
import { batchOf, segment, TOY } from "../support/training.ts";

after(async () => (await testDevice()).close());

const SIZES = { rows: 2, length: 6, num_heads: 4, num_key_value_heads: 2, head_dim: 4, scale: 1 };
const starts = [0, 0, 0, 3, 3, 3, 0, 1, 1, 1, 1, 5];
const segmentStarts = constant(starts, "float32", [2, 6, 1, 1]);
const positions = constant([0, 1, 2, 0, 1, 2, 0, 0, 1, 2, 3, 0], "int64", [2, 6]);
const tables = { q: rotaryTables(6, [1, 0.1], "float64", 0.5), k: rotaryTables(6, [1, 0.1], "float64") };

const { cos, sin } = headRotation(positions, tables.q, tables.k);

function keyStartsOf(block: number): Value[] {
  const firsts: number[] = [];
  for (let first = block; first < 6; first += block) firsts.push(Math.min(starts[first]!, starts[6 + first]!));
  return firsts.map((first) => constant([first], "int64"));
}

const joinedOf = (block: number, window?: number) => (qkv: Value) =>
  joinedAttention(...([qkv, cos, sin] as const), ...([segmentStarts, ...keyStartsOf(block)] as const), {
    ...SIZES,
    block,
    window,
  });

for (const [block, window] of [[6], [4], [2], [4, 2]] as const) {
  test(`joined attention's gradient equals finite differences, blocks of ${block}, window ${window}`, () =>
    assertGradient(joinedOf(block, window), { shape: [12, 32], scale: -4 }));

  test(`joined attention is attention of what is rotated, blocks of ${block}, window ${window}`, async () => {
    const parts = [16, 8, 8].map((width, i) => input("qkv"[i]!, "float64", [12, width])) as [Value, Value, Value];
    const [q, k, v] = parts;
    const [turnedQ, turnedK] = [rotary(q, positions, tables.q), rotary(k, positions, tables.k)];
    const layout = { ...SIZES, block, window };
    const apart = attention(turnedQ, turnedK, v, segmentStarts, ...keyStartsOf(block), layout);
    const joined = joinedOf(block, window)(Concat(q, k, v, { axis: 1 }));
    const outputs = Object.entries({ apart, joined }).flatMap(([name, y]): [string, Value][] => {
      const weighted = Mul(y, constant(Array.from({ length: 192 }, random(3)), "float64", [12, 16]));
      const grads = gradients(Reshape(ReduceSum(weighted, { axes: [0, 1] }), { shape: [] }), parts);
      return [[name, y], ...grads.map((grad, i): [string, Value] => [`${name} d${"qkv"[i]}`, grad])];
    });
    const next = random(5, -2, 2);
    const feeds = parts.map(({ name, shape }): [string, ReturnType<typeof tensor>] => [
      name!,
      tensor("float64", shape as number[], Array.from({ length: 12 * (shape[1] as number) }, next)),
    ]);
    const program = await (await testDevice()).compile(Object.fromEntries(outputs));
    const found = await program.run(Object.fromEntries(feeds));
    for (const name of ["", " dq", " dk", " dv"]) {
      const [one, other] = [toNumbers(found[`apart${name}`]!), toNumbers(found[`joined${name}`]!)];
      const worst = Math.max(...one.map((x, i) => Math.abs(x - other[i]!)));
      assert.ok(worst < 1e-12 && one.some((x) => Math.abs(x) > 1e-3), `${name}: ${worst}`);
    }
    await program.release();
  });
}

const FAMILIES: Record<keyof typeof families, object> = {
  llama: {},
  qwen2: {},
  qwen3: { head_dim: 4 },
  gemma3_text: { head_dim: 4, sliding_window: 3, sliding_window_pattern: 2, query_pre_attn_scalar: 5 },
};
const ADAPTER = { r: 2, lora_alpha: 4, target_modules: ["q_proj", "down_proj"], lora_dropout: 0 };

for (const [model_type, changes] of Object.entries(FAMILIES))
  for (const lora of model_type === "qwen2" ? [false, true] : [false])
    test(`a ${model_type}${lora ? " with an adapter" : ""} has the same loss and gradients in few kernels`, async () => {
      const device = await openDevice("cpu", { threads: 1 });
      const config = { ...TOY, model_type, vocab_size: 11, hidden_size: 8, intermediate_size: 12, ...changes };
      const options = { dtype: "float64", ...(lora ? { lora: ADAPTER } : {}) } as Parameters<typeof createModel>[2];
      const model = createModel(config, "test", options);
      const { shape, ...batch } = batchOf(
        [[segment(1, 7, 2, 11), segment(2, 4, 1, 11)], [segment(3, 9, 3, 11)]],
        12,
        11,
        5,
      );
      const next = random(5);
      const parameters = [...model.parameters, ...(model.adapter?.parameters ?? [])];
      const feeds = nextTokenFeeds({ ...batch, shape }, 0.1, "float64");
      for (const { name, shape } of parameters)
        feeds[name] = tensor(
          "float64",
          shape,
          Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() - 0.7),
        );
      const outputs = [shape, { ...shape, fewKernels: true }].map((shape) => {
        const { loss } = nextToken.loss(model, shape);
        const trained = lora ? model.adapter!.parameters : parameters;
        return {
          loss,
          ...Object.fromEntries(
            gradients(
              loss,
              trained.map(({ name }) => model.weight(name)),
            ).map((g, i) => [`${i}`, g]),
          ),
        };
      });
      const [one, other] = await Promise.all(outputs.map(async (values) => (await device.compile(values)).run(feeds)));
      for (const [name, found] of Object.entries(one!)) {
        const expected = toNumbers(found);
        const worst = Math.max(...toNumbers(other![name]!).map((x, i) => Math.abs(x - expected[i]!)));
        assert.ok(worst < 1e-10, `${name}: ${worst}`);
      }
      await device.close();
    });
