import assert from "node:assert/strict";
import { after, test } from "node:test";
import { constant } from "../../../src/graph/value.ts";
import { valueLoss } from "../../../src/nn/value-loss.ts";
import { generalisedAdvantages, whitened } from "../../../src/trainers/policy/value-head.ts";
import { assertGradient, testDevice } from "../../support/finite-differences.ts";

const near = (found: readonly number[], expected: readonly number[], tolerance = 1e-12) => {
  assert.equal(found.length, expected.length);
  for (const [i, x] of found.entries())
    assert.ok(Math.abs(x - expected[i]!) <= tolerance, `${i}: ${x} and ${expected[i]}`);
};

for (const [gamma, lam] of [
  [1, 1],
  [1, 0.95],
  [0.9, 0.5],
  [0.99, 0],
] as const)
  test(`generalised advantages at gamma ${gamma} and lambda ${lam} are the sum that defines them`, () => {
    const values = [0.3, -0.2, 0.7, 0.1];
    const reward = 1.5;
    const rewards = values.map((_, t) => (t === values.length - 1 ? reward : 0));
    const deltas = values.map((v, t) => rewards[t]! + gamma * (values[t + 1] ?? 0) - v);
    // A[t] = Σ over k of (γ λ)^k δ[t + k]
    const expected = values.map((_, t) =>
      deltas.slice(t).reduce((sum, delta, k) => sum + (gamma * lam) ** k * delta, 0),
    );
    const { advantages, returns } = generalisedAdvantages(values, reward, { gamma, lam });
    near(advantages, expected);
    near(
      returns,
      expected.map((advantage, t) => advantage + values[t]!),
    );
    if (gamma === 1 && lam === 1) near(returns, [1.5, 1.5, 1.5, 1.5]);
  });

test("a completion of no tokens has no advantages, and one of one has its reward's", () => {
  assert.deepEqual(generalisedAdvantages([], 1, { gamma: 1, lam: 0.95 }), { advantages: [], returns: [] });
  near(generalisedAdvantages([0.25], 1, { gamma: 0.5, lam: 0.5 }).advantages, [0.75]);
});

test("whitened advantages have a mean of 0 and a deviation of 1 over all tokens", () => {
  const completions = whitened([[1, 2, 3], [], [10]]);
  assert.deepEqual(
    completions.map(({ length }) => length),
    [3, 0, 1],
  );
  const all = completions.flat();
  near([all.reduce((a, b) => a + b, 0), all.reduce((sum, x) => sum + x * x, 0) / 3], [0, 1], 1e-8);
});

// values that moved little, up and down beyond the clip, and towards the return or away from it
const OLD = [0, 0.5, 0, 0.5, -1, 1];
const RETURNS = [1, 1, 1, 0.2, -1.5, 1];
const NOW = [0.1, 0.55, 0.9, 1.2, -1.45, 0.4];
const WEIGHTS = [0.1, 0.2, 0.3, 0.15, 0.25, 0];
const CLIP = 0.2;

const column = (numbers: readonly number[]) => constant(numbers, "float64", [numbers.length, 1]);
const targets = { returns: column(RETURNS), old: column(OLD), weights: column(WEIGHTS) };

test("the loss of values is the larger of the plain and the clipped square, as the formula says", async () => {
  const device = await testDevice();
  const program = await device.compile(valueLoss(column(NOW), targets, CLIP));
  const found = await program.run({});
  const each = NOW.map((v, i) => {
    const clipped = Math.min(Math.max(v, OLD[i]! - CLIP), OLD[i]! + CLIP);
    const [plain, other] = [(v - RETURNS[i]!) ** 2, (clipped - RETURNS[i]!) ** 2];
    return { loss: (WEIGHTS[i]! * Math.max(plain, other)) / 2, counts: other > plain + 1e-12 ? WEIGHTS[i]! : 0 };
  });
  const sum = (of: "loss" | "counts") => each.reduce((total, one) => total + one[of], 0);
  near([...(found.loss!.data as Float64Array)], [sum("loss")]);
  near([...(found.clipped!.data as Float64Array)], [sum("counts")]);
  assert.ok(sum("counts") > 0 && sum("counts") < 1);
  await program.release();
});

test("its gradient is that of finite differences, and none where the clipped square counts", () =>
  assertGradient((values) => valueLoss(values!, targets, CLIP).loss, { shape: [NOW.length, 1], data: NOW }));

after(async () => (await testDevice()).close());
