import assert from "node:assert/strict";
import { test } from "node:test";
import { lower } from "../../src/compiler/lower.ts";
import { targets } from "../../src/compiler/targets.ts";
import { input, toposort } from "../../src/graph/value.ts";
import { MatMul, Transpose } from "../../src/ops/index.ts";

test("a product with a transposed weight is spelled as the device does it fastest", () => {
  const [x, y, w] = [input("x", "float32", [8, 4]), input("y", "float32", [6, 4]), input("w", "float32", [5, 4])];
  const transposed = Transpose(w, { perm: [1, 0] });
  const outputs = [MatMul(x, transposed), MatMul(y, transposed), MatMul(x, transposed)];
  const spelled = (name: "cpu" | "webgpu") => {
    const lowered = lower(outputs, targets[name]);
    assert.equal(lowered[0], lowered[2], "the same product is computed once");
    return toposort(...lowered).flatMap(({ node }) => node?.op.type ?? []);
  };
  assert.deepEqual(spelled("cpu"), ["Gemm", "Gemm"]);
  // not one transposition for both: it would be kept from the first product to the second
  assert.deepEqual(spelled("webgpu"), ["Transpose", "MatMul", "Transpose", "MatMul"]);
});
