import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gradients } from "../../src/compiler/gradients.ts";
import { input, type Value } from "../../src/graph/value.ts";
import { dora, doraInput, doraWeight, ofMagnitude, rowNorms } from "../../src/nn/dora.ts";
import { linear } from "../../src/nn/linear.ts";
import { ReduceSum, Reshape, Sub } from "../../src/ops/index.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { assertGradient, random, testDevice } from "../support/finite-differences.ts";

const weights = [
  { shape: [5, 4], scale: -2 },
  { shape: [2, 4], scale: -2 },
  { shape: [5, 2], scale: -2 },
  { shape: [5] },
];
const attrs = { scaling: 1.5, keep: 0.6 };
const mask = {
  dtype: "bool" as const,
  data: Array.from({ length: 48 }, (_, i) => (i % 3 === 1 || i % 7 === 0 ? 0 : 1)),
};

// few tokens are multiplied side by side, many by the merged weight
for (const tokens of [3, 12])
  test(`dora's gradient equals finite differences where the norm is constant, ${tokens} tokens`, () =>
    assertGradient(
      (x, w, a, b, g) => dora(x!, w!, [a!, b!, g!], { scaling: 1.5, keep: 1 }),
      { shape: [tokens, 4], scale: -2 },
      ...weights,
    ));

test("dora's gradient equals finite differences where the norm is constant, with dropout", () =>
  assertGradient(
    (x, w, a, b, g, mask) => dora(x!, w!, [a!, b!, g!], attrs, mask),
    { shape: [12, 4], scale: -2 },
    ...weights,
    { shape: [12, 4], ...mask },
  ));

const values = (n: number, seed: number) => {
  const next = random(seed, -1, 1);
  return Array.from({ length: n }, next);
};
const FEEDS = {
  x: tensor("float64", [12, 4], values(48, 1)),
  w: tensor("float64", [5, 4], values(20, 2)),
  a: tensor("float64", [2, 4], values(8, 3)),
  b: tensor("float64", [5, 2], values(10, 4)),
  m: tensor("float64", [5], values(5, 5)),
  mask: tensor("bool", [12, 4], mask.data),
};
const [x, w, a, b, m] = (["x", "w", "a", "b", "m"] as const).map((name) =>
  input(name, "float64", FEEDS[name].shape),
) as [Value, Value, Value, Value, Value];
const kept = input("mask", "bool", [12, 4]);

test("norms are those of the rows of W + s B A, and no gradient flows through them", async () => {
  const device = await testDevice();
  const norms = rowNorms(w, a, b, attrs);
  const sum = (y: Value) => Reshape(ReduceSum(y, { axes: y.shape.map((_, i) => i) }), { shape: [] });
  const whole = gradients(sum(dora(x, w, ofMagnitude(w, [a, b, m], attrs), { scaling: 1.5, keep: 1 })), [a, b]);
  const given = input("g", "float64", [5]);
  const constant = gradients(sum(dora(x, w, [a, b, given], { scaling: 1.5, keep: 1 })), [a, b]);
  const program = await device.compile({ norms, da: whole[0]!, db: whole[1]! });
  const found = await program.run(FEEDS);
  const at = (t: (typeof FEEDS)["w"], i: number) => (t.data as Float64Array)[i]!;
  const expected = Array.from({ length: 5 }, (_, o) =>
    Math.hypot(
      ...Array.from({ length: 4 }, (_, i) => {
        const product = at(FEEDS.b, 2 * o) * at(FEEDS.a, i) + at(FEEDS.b, 2 * o + 1) * at(FEEDS.a, 4 + i);
        return at(FEEDS.w, 4 * o + i) + 1.5 * product;
      }),
    ),
  );
  const norm = toNumbers(found.norms!);
  for (const [i, x] of expected.entries()) assert.ok(Math.abs(norm[i]! - x) < 1e-12);
  const g = tensor(
    "float64",
    [5],
    expected.map((n, i) => at(FEEDS.m, i) / n),
  );
  const other = await (await device.compile({ da: constant[0]!, db: constant[1]! })).run({ ...FEEDS, g });
  for (const name of ["da", "db"])
    for (const [i, x] of toNumbers(other[name]!).entries())
      assert.ok(Math.abs(toNumbers(found[name]!)[i]! - x) < 1e-12, name);
});

for (const keep of [1, 0.6])
  test(`the head's product is dora, ${keep < 1 ? "with" : "without"} dropout`, async () => {
    const device = await testDevice();
    const scaling = { scaling: 1.5, keep };
    const dropping = keep < 1 ? [kept] : [];
    const parts = ofMagnitude(w, [a, b, m], scaling);
    const difference = (one: Value, other: Value) => Sub(one, other);
    const joined = (...mask: Value[]) => linear(doraInput(x, a, scaling, ...mask), doraWeight(w, parts, scaling));
    const program = await device.compile({
      training: difference(joined(...dropping), dora(x, w, parts, scaling, ...dropping)),
      inference: difference(joined(), dora(x, w, parts, { scaling: 1.5, keep: 1 })),
    });
    for (const values of Object.values(await program.run(FEEDS)))
      assert.ok(toNumbers(values).every((x) => Math.abs(x) < 1e-12));
  });

after(async () => (await testDevice()).close());
