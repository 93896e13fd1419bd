import assert from "node:assert/strict";
import { test } from "node:test";
import { lower } from "../../src/compiler/lower.ts";
import { targets } from "../../src/compiler/targets.ts";
import { input, toposort, type Value } from "../../src/graph/value.ts";
import { Add, MatMul, Transpose } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";

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

test("a transposed product of a transposed matrix transposes the smaller one", async () => {
  const [a, b] = [input("a", "float32", [3, 5]), input("b", "float32", [3, 2])];
  const turned = (x: Value) => Transpose(x, { perm: [1, 0] });
  const spelled = (y: Value) => toposort(...lower([y], targets.cpu)).map(({ node, name }) => name ?? node!.op.type);
  const y = turned(MatMul(turned(a), b));
  assert.deepEqual(spelled(y), ["b", "Transpose", "a", "MatMul"]);
  assert.deepEqual(spelled(turned(MatMul(turned(b), a))), ["b", "Transpose", "a", "MatMul", "Transpose"]);

  const device = await openDevice("cpu");
  const program = await device.compile({ y });
  const feeds = {
    a: tensor(
      "float32",
      [3, 5],
      Float32Array.from({ length: 15 }, (_, i) => i),
    ),
    b: tensor("float32", [3, 2], [1, 2, 3, 4, 5, 6]),
  };
  assert.deepEqual([...(await program.run(feeds)).y!.data], [65, 74, 83, 92, 101, 80, 92, 104, 116, 128]);
  await device.close();
});

test("a product is added to what is large in one Gemm, so that the two are not there beside each other", () => {
  const sum = (n: number) => {
    const [a, b, c] = [input("a", "float32", [n, 8]), input("b", "float32", [8, n]), input("c", "float32", [n, n])];
    const lowered = lower([Add(c, MatMul(a, b))], targets.cpu);
    return toposort(...lowered).flatMap(({ node }) => (node ? `${node.op.type} of ${node.inputs.length}` : []));
  };
  assert.deepEqual(sum(64), ["MatMul of 2", "Add of 2"]);
  assert.deepEqual(sum(2048), ["Gemm of 3"]);
});
