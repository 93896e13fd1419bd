import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../src/core/random.ts";
import { pooled } from "./pooled.ts";

test("the interval over runs and problems holds the truth 95 times of 100, and that over problems alone does not", () => {
  const random = seededRandom(1);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
  const trials = 2000;
  const held = (runs: number) => {
    let count = 0;
    for (let trial = 0; trial < trials; trial++) {
      const problems = Array.from({ length: 40 }, () => 0.3 * normal());
      const shares = Array.from({ length: runs }, () => {
        const run = 0.05 * normal();
        return problems.map((problem) => 0.5 + problem + run + 0.2 * normal());
      });
      const [low, high] = pooled(shares).ci95;
      if (low <= 0.5 && 0.5 <= high) count++;
    }
    return count / trials;
  };
  assert.ok(Math.abs(held(10) - 0.95) < 0.02, String(held(10)));
  assert.ok(Math.abs(held(3) - 0.95) < 0.04, String(held(3)));
  assert.ok(held(1) < 0.9);
});

test("runs that agree say no more than one of them", () => {
  const one = [0, 0.25, 1, 1, 0.5];
  const [alone, thrice] = [pooled([one]), pooled([one, one, one])];
  assert.ok(Math.abs(alone.mean - 0.55) < 1e-12);
  for (const end of [0, 1] as const) assert.ok(Math.abs(alone.ci95[end] - thrice.ci95[end]) < 1e-12);
});
