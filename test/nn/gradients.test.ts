import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gradients } from "../../src/compiler/gradients.ts";
import { lower } from "../../src/compiler/lower.ts";
import { targets } from "../../src/compiler/targets.ts";
import { constant, input, toposort, type Value } from "../../src/graph/value.ts";
import type * as families from "../../src/models/index.ts";
import { createModel } from "../../src/models/load.ts";
import { attention } from "../../src/nn/attention.ts";
import { chunkedLoss } from "../../src/nn/chunked-loss.ts";
import { crossEntropy } from "../../src/nn/cross-entropy.ts";
import { geglu } from "../../src/nn/geglu.ts";
import { linear } from "../../src/nn/linear.ts";
import { rotary, rotaryTables } from "../../src/nn/rotary.ts";
import { swiglu } from "../../src/nn/swiglu.ts";
import { checkpoint } from "../../src/ops/checkpoint.ts";
import { Add, Exp, GatedGelu, GatedSilu, Mul, ReduceSum, Reshape, Scan } from "../../src/ops/index.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { nextToken, nextTokenFeeds } from "../../src/trainers/supervised.ts";
import { assertGradient, random, testDevice } from "../support/finite-differences.ts";
import { batchOf, segment, TOY } from "../support/training.ts";

test("linear's gradient equals finite differences", () => assertGradient(linear, { shape: [3, 4] }, { shape: [5, 4] }));

for (const [name, feedForward] of Object.entries({ swiglu, geglu }))
  test(`${name}'s gradient equals finite differences`, () =>
    assertGradient(
      (x, ...weights) => {
        const [gate, up, down] = weights.map((weight) => (x: Value) => linear(x, weight));
        return feedForward(x!, gate!, up!, down!);
      },
      { shape: [3, 4], scale: -2 },
      { shape: [5, 4], scale: -2 },
      { shape: [5, 4], scale: -2 },
      { shape: [4, 5], scale: -2 },
    ));

for (const [name, op] of Object.entries({ GatedSilu, GatedGelu }))
  test(`the gradient of ${name} equals finite differences where it is computed in tiles`, async () => {
    const shape = [1024, 1025];
    const [gate, up] = [input("gate", "float64", shape), input("up", "float64", shape)];
    const sum = Reshape(ReduceSum(op(gate, up), { axes: [0, 1] }), { shape: [] });
    const lowered = lower(gradients(sum, [gate, up]), targets.cpu);
    assert.equal(toposort(...lowered).filter(({ node }) => node?.op === Scan).length, 1);
    await assertGradient(op, { shape, scale: -2 }, { shape, scale: -2 });
  });

test("rotary's gradient equals finite differences", () => {
  const tables = rotaryTables(4, [1, 0.1], "float64");
  return assertGradient((x) => rotary(x, constant([0, 1, 3, 2], "int64", [2, 2]), tables), { shape: [4, 8] });
});

for (const [block, window, scale] of [[6], [4], [2], [4, 2, 0.9], [2, 2, 0.9]] as const)
  test(`attention's gradient equals finite differences, two packed rows, blocks of ${block}, window ${window}`, () => {
    const layout = { rows: 2, length: 6, block, num_heads: 4, num_key_value_heads: 2, head_dim: 2, window, scale };
    const starts = [0, 0, 0, 3, 3, 3, 0, 1, 1, 1, 1, 5];
    const segmentStarts = constant(starts, "float32", [2, 6, 1, 1]);
    const keyStarts: Value[] = [];
    for (let first = block; first < 6; first += block)
      keyStarts.push(constant([Math.min(starts[first]!, starts[6 + first]!)], "int64"));
    return assertGradient(
      (q, k, v) => attention(q, k, v, segmentStarts, ...keyStarts, layout),
      { shape: [12, 8], scale: -4 },
      { shape: [12, 4], scale: -4 },
      { shape: [12, 4], scale: -4 },
    );
  });

test("the chunked cross-entropy's gradient equals finite differences", () => {
  const chunk = (rows: number[], labels: number[], weights: number[]) => ({
    rows: constant(rows, "int32", [2]),
    weights: constant(weights, "float64", [2, 1]),
    operands: [constant(labels, "int32", [2, 1])],
  });
  const slots = constant([4, 0, 2, 4, 1], "int32");
  return assertGradient(
    (hidden, weight) =>
      Mul(
        chunkedLoss(
          hidden,
          weight,
          slots,
          [chunk([1, 4], [3, 0], [0.5, 2]), chunk([2, 0], [6, 0], [1, 0])],
          crossEntropy,
        ).loss,
        constant([3], "float64", []),
      ),
    { shape: [5, 3] },
    { shape: [7, 3] },
  );
});

test("checkpoint's gradient equals finite differences", () => {
  // w is used inside, where it must be found, and outside
  return assertGradient(
    (x, w) => checkpoint((y) => Add(Exp(Mul(y, w!)), y), Exp(Mul(x!, w!))),
    { shape: [2, 3] },
    { shape: [2, 3] },
  );
});

const SMALL: Record<keyof typeof families, object> = {
  llama: {},
  qwen2: {},
  qwen3: { head_dim: 4 },
  gemma3_text: { head_dim: 4, sliding_window: 3, sliding_window_pattern: 2, query_pre_attn_scalar: 5 },
};

for (const [model_type, changes] of Object.entries(SMALL))
  test(`a whole two-layer ${model_type} model's gradient equals finite differences`, async () => {
    const device = await testDevice();
    const config = { ...TOY, model_type, vocab_size: 11, hidden_size: 8, intermediate_size: 12, ...changes };
    const model = createModel(config, "test", { dtype: "float64" });
    const batch = batchOf([[segment(1, 7, 2, 11), segment(2, 4, 1, 11)], [segment(3, 9, 3, 11)]], 12, 11, 5);
    const next = random(5);
    const feeds = nextTokenFeeds(batch, 0.1, "float64");
    for (const { name, shape } of model.parameters)
      feeds[name] = tensor(
        "float64",
        shape,
        Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () =>
          shape.length === 1 ? next() : 2 * (next() - 0.75),
        ),
      );
    const { loss } = nextToken.loss(model, batch.shape);
    const names = model.parameters.map(({ name }) => name);
    const forward = await device.compile({ loss });
    const grads = gradients(
      loss,
      names.map((name) => model.weight(name)),
    );
    const backward = await device.compile(Object.fromEntries(names.map((name, i) => [`grad ${name}`, grads[i]!])));
    const found = await backward.run(feeds);
    for (const name of names)
      for (let k = 0; k < 3; k++) {
        const x = feeds[name]!.data as Float64Array;
        const direction = x.map(() => next() - 0.75);
        const h = 1e-5;
        const at = async (sign: number) => {
          const moved = { ...feeds, [name]: { ...feeds[name]!, data: x.map((v, i) => v + sign * h * direction[i]!) } };
          return toNumbers((await forward.run(moved)).loss!)[0]!;
        };
        const expected = ((await at(1)) - (await at(-1))) / (2 * h);
        const got = toNumbers(found[`grad ${name}`]!).reduce((sum, g, i) => sum + g * direction[i]!, 0);
        assert.ok(
          Math.abs(got - expected) <= 1e-5 * (1e-3 + Math.abs(expected)),
          `${name}: ${got}, finite difference ${expected}`,
        );
      }
  });

after(async () => (await testDevice()).close());
