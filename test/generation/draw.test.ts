import assert from "node:assert/strict";
import { test } from "node:test";
import { drawProbable, drawToken } from "../../src/generation/draw.ts";
import { mersenneTwister } from "../../src/teachers/mersenne-twister.ts";

const all = { temperature: 1, top_k: 0, top_p: 1, min_p: 0 };
const logits = Float32Array.from([0, 2, 1, -5]);

test("the generator is MT19937: its 10,000th output with seed 5489 is the one that the C++ standard gives", () => {
  const uniform = mersenneTwister(5489);
  let last = 0;
  for (let i = 0; i < 5000; i++) last = uniform();
  assert.equal(Math.floor(last * 2 ** 32), 4123659995);
});

test("temperature 0 is the most likely token, and draws nothing", () => {
  const never = () => assert.fail("a draw");
  assert.equal(drawToken(logits, { ...all, temperature: 0 }, never), 1);
  assert.equal(drawToken(logits, { ...all, top_k: 1 }, never), 1);
  assert.equal(drawToken(logits, { ...all, top_p: 0.5 }, never), 1);
});

test("tokens are drawn as often as their probabilities say, at any temperature", () => {
  for (const temperature of [0.5, 1, 2]) {
    const uniform = mersenneTwister(7);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 20_000; i++) counts[drawToken(logits, { ...all, temperature }, uniform)!]!++;
    const weights = [...logits].map((logit) => Math.exp(logit / temperature));
    const total = weights.reduce((a, b) => a + b);
    counts.forEach((count, i) => {
      assert.ok(Math.abs(count / 20_000 - weights[i]! / total) < 0.012, `${temperature}: ${counts}`);
    });
  }
});

test("truncation keeps the most likely tokens and no others", () => {
  const kept = (options: Partial<typeof all>) => {
    const uniform = mersenneTwister(3);
    return [...new Set(Array.from({ length: 2000 }, () => drawToken(logits, { ...all, ...options }, uniform)))].sort();
  };
  assert.deepEqual(kept({ top_k: 2 }), [1, 2]);
  assert.deepEqual(kept({ top_p: 0.9 }), [1, 2]); // 0.665 + 0.245
  assert.deepEqual(kept({ min_p: 0.2 }), [1, 2]); // e^-1 = 0.37 of the largest, e^-2 = 0.14
});

/** The probabilities that logits stand for. */
function softmax(logits: Float32Array): Float32Array {
  const weights = Array.from(logits, (x) => Math.exp(x));
  const total = weights.reduce((a, b) => a + b);
  return Float32Array.from(weights, (x) => x / total);
}

test("probabilities draw what their logits draw", () => {
  const random = mersenneTwister(11);
  const cuts = [{}, { top_k: 7 }, { top_p: 0.8 }, { min_p: 0.1 }, { top_k: 12, top_p: 0.9, min_p: 0.02 }];
  for (const temperature of [0, 0.6, 1, 1.7])
    for (const cut of cuts)
      for (let i = 0; i < 200; i++) {
        const logits = Float32Array.from({ length: 30 }, () => 4 * random() - 2);
        const options = { ...all, temperature, ...cut };
        const [a, b] = [mersenneTwister(i), mersenneTwister(i)];
        const what = JSON.stringify(options);
        assert.equal(drawProbable(softmax(logits), options, a), drawToken(logits, options, b), what);
        assert.equal(a(), b(), `${what}: as many random numbers are taken`);
      }
});

test("of equal tokens top_k keeps the first, and rounding never leaves a draw without a token", () => {
  const uniform = mersenneTwister(5);
  const equal = new Float32Array(100).fill(0.01);
  const kept = new Set(
    Array.from({ length: 500 }, () => drawProbable(equal, { ...all, temperature: 2, top_k: 3 }, uniform)),
  );
  assert.deepEqual([...kept].sort(), [0, 1, 2]);
  assert.equal(
    drawProbable(Float32Array.from([0.5, 0.4999, 0]), all, () => 1 - 2 ** -53),
    1,
  );
  assert.equal(
    drawProbable(new Float32Array(4).fill(Number.NaN), all, () => 0.5),
    undefined,
  );
});
