import { after, test } from "node:test";
import { lora } from "../../src/nn/lora.ts";
import { checkpoint } from "../../src/ops/checkpoint.ts";
import { Exp } from "../../src/ops/index.ts";
import { assertGradient, testDevice } from "../support/finite-differences.ts";

const weights = [
  { shape: [5, 4], scale: -2 },
  { shape: [2, 4], scale: -2 },
  { shape: [5, 2], scale: -2 },
];
const attrs = { scaling: 1.5, keep: 1 };

// few tokens are multiplied side by side, many by the merged weight
for (const tokens of [3, 12])
  test(`lora's gradient equals finite differences, ${tokens} tokens`, () =>
    assertGradient((x, w, a, b) => lora(x!, w!, a!, b!, attrs), { shape: [tokens, 4], scale: -2 }, ...weights));

test("lora's gradient equals finite differences, with dropout", () => {
  const data = Array.from({ length: 48 }, (_, i) => (i % 3 === 1 || i % 7 === 0 ? 0 : 1));
  return assertGradient(
    (x, w, a, b, mask) => lora(x!, w!, a!, b!, mask!, { scaling: 1.5, keep: 0.6 }),
    { shape: [12, 4], scale: -2 },
    ...weights,
    { shape: [12, 4], dtype: "bool", data },
  );
});

test("lora's gradient equals finite differences where the layer is computed again", () =>
  assertGradient(
    (x, w, a, b) => checkpoint((y) => lora(Exp(y), w!, a!, b!, attrs), x!),
    { shape: [12, 4], scale: -1 },
    ...weights,
  ));

after(async () => (await testDevice()).close());
