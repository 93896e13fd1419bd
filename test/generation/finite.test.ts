import assert from "node:assert/strict";
import { test } from "node:test";
import { drawToken } from "../../src/generation/draw.ts";
import { mostLikely, requireFinite } from "../../src/generation/finite.ts";
import { mersenneTwister } from "../../src/teachers/mersenne-twister.ts";

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
const WAYS = [
  { temperature: 0, top_k: 0, top_p: 1, min_p: 0 },
  { temperature: 1, top_k: 0, top_p: 1, min_p: 0 },
  { temperature: 0.7, top_k: 2, top_p: 0.9, min_p: 0.1 },
];

test("NaN and Infinity anywhere, and nothing but -Infinity, are nothing to draw from", () => {
  for (const bad of [nan, infinity])
    for (const at of [0, 1, 3]) {
      const logits = Float32Array.from([0, 2, -infinity, 1]);
      logits[at] = bad;
      assert.equal(mostLikely(logits), undefined);
      for (const way of WAYS) assert.equal(drawToken(logits, way, mersenneTwister(1)), undefined);
    }
  assert.equal(mostLikely(Float32Array.of(-infinity, -infinity)), undefined);
});

test("a token with a logit of -Infinity is never drawn, and all others as if it were not there", () => {
  const masked = Float32Array.from([-infinity, 0, 2, 1]);
  assert.equal(mostLikely(masked), 2);
  for (const way of WAYS) {
    const [uniform, without] = [mersenneTwister(5), mersenneTwister(5)];
    for (let i = 0; i < 200; i++)
      assert.equal(drawToken(masked, way, uniform)! - 1, drawToken(masked.subarray(1), way, without));
  }
});

test("the sentence names the file, the token, and what to take instead", () => {
  const logits = Float32Array.from([1, 2, 3, nan]);
  assert.equal(requireFinite("x.gguf", logits.subarray(0, 2), 2).length, 2);
  assert.throws(() => requireFinite("x.gguf", logits, 2, "Take another."), {
    name: "DistillError",
    message: /^x\.gguf gives logits that are not finite after token 2 of 2\. Expected numbers.* Take another\.$/,
  });
  assert.throws(() => requireFinite("model_fp16.onnx", logits, 2), /overflows: take the file in fp32/);
});
