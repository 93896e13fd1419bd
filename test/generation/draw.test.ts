import assert from "node:assert/strict";
import { test } from "node:test";
import { drawToken } from "../../src/generation/draw.ts";
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
