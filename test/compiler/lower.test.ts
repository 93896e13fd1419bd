import assert from "node:assert/strict";
import { test } from "node:test";
import { lower } from "../../src/compiler/lower.ts";
import { targets } from "../../src/compiler/targets.ts";
import { constant, input, scalar, toposort, type Value } from "../../src/graph/value.ts";
import { Product } from "../../src/ops/einsum.ts";
import { Add, Concat, Expand, MatMul, Mul, ScatterElements, Sub, Transpose } from "../../src/ops/index.ts";
import { split } from "../../src/ops/movement.ts";
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

test("matrices whose rows are the first axis of a stack are multiplied where they lie", async () => {
  const [q, k] = [input("q", "float32", [2, 3, 4, 5]), input("k", "float32", [6, 2, 3, 5])];
  const p = input("p", "float32", [2, 3, 4, 6]);
  const outputs = {
    scores: MatMul(q, Transpose(k, { perm: [1, 2, 3, 0] })),
    heads: MatMul(p, Transpose(k, { perm: [1, 2, 0, 3] })),
  };
  const spelled = (name: "cpu" | "webgpu") =>
    toposort(...lower(Object.values(outputs), targets[name])).flatMap(({ node }) => node?.op.type ?? []);
  assert.deepEqual(spelled("cpu"), ["FusedMatMul", "FusedMatMul"]);
  assert.deepEqual(spelled("webgpu"), ["Transpose", "MatMul", "Transpose", "MatMul"]);

  const numbers = (shape: number[], f: (i: number) => number) =>
    tensor(
      "float32",
      shape,
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => f(i)),
    );
  const feeds = {
    q: numbers([2, 3, 4, 5], Math.sin),
    k: numbers([6, 2, 3, 5], Math.cos),
    p: numbers([2, 3, 4, 6], Math.tan),
  };
  const device = await openDevice("cpu");
  const fused = await (await device.compile(outputs)).run(feeds);
  await device.close();
  const at = (x: keyof typeof feeds, ...places: number[]) =>
    feeds[x].data[places.reduce((sum, place, axis) => sum * feeds[x].shape[axis]! + place, 0)] as number;
  const sum = (n: number, f: (i: number) => number) =>
    Array.from({ length: n }, (_, i) => f(i)).reduce((a, b) => a + b);
  for (let s = 0; s < 2; s++)
    for (let h = 0; h < 3; h++)
      for (let i = 0; i < 4; i++) {
        for (let j = 0; j < 6; j++) {
          const expected = sum(5, (d) => at("q", s, h, i, d) * at("k", j, s, h, d));
          assert.ok(Math.abs((fused.scores!.data[((s * 3 + h) * 4 + i) * 6 + j] as number) - expected) < 1e-5);
        }
        for (let d = 0; d < 5; d++) {
          const expected = sum(6, (j) => at("p", s, h, i, j) * at("k", j, s, h, d));
          assert.ok(Math.abs((fused.heads!.data[((s * 3 + h) * 4 + i) * 5 + d] as number) - expected) < 1e-4);
        }
      }
});

test("transpositions that are joined or added are one, and what is joined and parted again is what it was", () => {
  const [a, b] = [input("a", "float32", [2, 3, 4]), input("b", "float32", [2, 3, 4])];
  const turned = (x: Value) => Transpose(x, { perm: [0, 2, 1] });
  const zeros = Expand(scalar(0), { shape: [2, 4, 5] });
  const spelled = (...outputs: Value[]) =>
    toposort(...lower(outputs, targets.webgpu)).flatMap(({ node }) =>
      node ? `${node.op.type} ${JSON.stringify(node.attrs)}` : [],
    );
  assert.deepEqual(spelled(Add(turned(a), turned(b))), ["Add {}", 'Transpose {"perm":[0,2,1]}']);
  assert.deepEqual(spelled(Concat(turned(a), turned(b), zeros, { axis: 2 })), [
    'Expand {"shape":[2,5,4]}',
    'Concat {"axis":1}',
    'Transpose {"perm":[0,2,1]}',
  ]);
  const nested = Concat(a, Concat(b, a, { axis: 1 }), { axis: 1 });
  assert.deepEqual(spelled(nested), ['Concat {"axis":1}']);
  const [x, y, z] = lower(split(nested, 1, [3, 3, 3]), targets.webgpu);
  assert.deepEqual([x, y, z], [a, b, a]);
  const [first, second] = lower(split(Concat(a, nested, { axis: 1 }), 1, [3, 6, 3]).slice(0, 2), targets.webgpu);
  assert.deepEqual([first, second?.node?.op.type], [a, "Part"]);
  assert.deepEqual(spelled(...split(Concat(a, nested, { axis: 1 }), 1, [3, 6, 3])), [
    'Concat {"axis":1}',
    'Split {"axis":1,"sizes":[3,6,3]}',
    'Part {"index":1,"shape":[2,6,4]}',
    'Part {"index":2,"shape":[2,3,4]}',
  ]);
});

test("what is scaled before it is added, and rows that are added up, are one kernel each, with the same numbers", async () => {
  const [a, b, c, s] = ["a", "b", "c", "s"].map((name) => input(name, "float32", [6, 4])) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const places = Expand(constant([1, 4, 1], "int32", [3, 1]), { shape: [3, 4] });
  const rows = ScatterElements(Expand(scalar(0), { shape: [6, 4] }), places, input("rows", "float32", [3, 4]), {
    axis: 0,
  });
  const outputs = {
    scaled: Add(a, Mul(s, Sub(b, c))),
    summed: Add(a, rows),
    turned: Add(rows, b),
    product: Product(a, b, input("factor", "float32", []), c),
  };
  const lowered = Object.fromEntries(
    Object.entries(outputs).map(([name, y]) => [name, lower([y], targets.webgpu)[0]!]),
  ) as typeof outputs;
  const kernels = (y: Value) => toposort(y).filter(({ node }) => node && !node.op.view && node.op !== Expand).length;
  assert.deepEqual(Object.values(lowered).map(kernels), [1, 1, 1, 1]);
  const numbers = (shape: number[], from: number) =>
    tensor(
      "float32",
      shape,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(from + i)),
    );
  const feeds = {
    ...Object.fromEntries(["a", "b", "c", "s"].map((name, i) => [name, numbers([6, 4], 7 * i)])),
    rows: numbers([3, 4], 3),
    factor: numbers([], 5),
  };
  const device = await openDevice("cpu");
  const [expected, found] = [await device.compile(outputs), await device.compile(lowered)];
  const [plain, few] = [await expected.run(feeds), await found.run(feeds)];
  for (const name of Object.keys(outputs))
    for (const [i, x] of (plain[name]!.data as Float32Array).entries())
      assert.ok(Math.abs((few[name]!.data as Float32Array)[i]! - x) < 1e-6, `${name} ${i}: ${x}`);
  await device.close();
});
