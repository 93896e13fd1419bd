import assert from "node:assert/strict";
import { after, test } from "node:test";
import { lower } from "../../src/compiler/lower.ts";
import { targets } from "../../src/compiler/targets.ts";
import { input, toposort, type Value } from "../../src/graph/value.ts";
import { linear } from "../../src/nn/linear.ts";
import { LARGE, thinProducts } from "../../src/nn/thin-products.ts";
import { Add } from "../../src/ops/index.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { testDevice } from "../support/finite-differences.ts";

after(async () => (await testDevice()).close());

const x = input("x", "float32", [1, "rows", 512]);
const large = input("large", "float32", [LARGE / 512, 512]);
const small = input("small", "float32", [LARGE / 512, LARGE / 512]);

const spelled = (y: Value) => toposort(...lower([y], targets.cpu)).flatMap(({ node }) => node?.op.type ?? []);

test("a product with a large matrix reads the matrix as it lies, and one with a small matrix stays", () => {
  const y = linear(linear(x, large), small);
  assert.deepEqual(spelled(y), ["FusedMatMul", "FusedMatMul"]);
  assert.deepEqual(spelled(thinProducts([y])[0]!), ["Reshape", "Gemm", "Transpose", "Reshape", "FusedMatMul"]);
});

test("the result is the same, for one row and for several", async () => {
  const device = await testDevice();
  const y = Add(linear(x, large), linear(x, large));
  const [thin] = thinProducts([y]);
  const program = await device.compile({ y, thin: thin! });
  const sines = (shape: number[]) =>
    tensor(
      "float32",
      shape,
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i)),
    );
  for (const rows of [1, 5]) {
    const found = await program.run({ x: sines([1, rows, 512]), large: sines([LARGE / 512, 512]) });
    assert.deepEqual(found.thin!.shape, [1, rows, LARGE / 512]);
    const expected = toNumbers(found.y!);
    for (const [i, value] of toNumbers(found.thin!).entries()) assert.ok(Math.abs(value - expected[i]!) < 1e-3);
  }
  await program.release();
});
