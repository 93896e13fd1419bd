import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ShapeError } from "../../src/core/errors.ts";
import { constant, input, type Value } from "../../src/graph/value.ts";
import * as ops from "../../src/ops/index.ts";
import { position } from "../../src/ops/movement.ts";
import { topK } from "../../src/ops/top-k.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { assertGradient, type Case, testDevice } from "../support/finite-differences.ts";

const checked = new Set<string>();

function check(name: keyof typeof ops, f: (...xs: Value[]) => Value, ...cases: (Case | readonly number[])[]) {
  checked.add(name);
  const full = cases.map((c) => ("shape" in c ? c : { shape: c }));
  test(`${name}'s gradient equals finite differences for ${full.map(({ shape }) => `[${shape}]`).join(" ")}`, () =>
    assertGradient(f, ...full));
}

const pairs = [
  [
    [2, 3, 4],
    [2, 3, 4],
  ],
  [[2, 3, 4], []],
  [[], [2, 3, 4]],
  [[2, 3, 4], [4]],
  [
    [3, 4],
    [2, 3, 4],
  ],
  [
    [1, 4],
    [2, 3, 1],
  ],
  [
    [2, 1, 4],
    [1, 3, 1],
  ],
  [[1], [2, 2]],
] as const;
for (const name of ["Add", "Sub", "Mul", "Div"] as const) for (const [a, b] of pairs) check(name, ops[name], a, b);
for (const name of ["Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Sigmoid", "Silu", "Tanh"] as const)
  check(name, (x) => ops[name](x!), [2, 3]);
check("Pow", (x) => ops.Pow(x!, constant([-0.5], "float64", [])), { shape: [2, 3], data: [0.5, 1, 2, 3, 0.2, 4] });
check("ReduceSumSquare", (x) => ops.ReduceSumSquare(x!, { axes: [1] }), [2, 3]);
const int = (shape: number[], data: number[]): Case => ({ shape, data, dtype: "int32" });
const flag: Case = { shape: [2, 3], data: [1, 0, 1, 0, 0, 1], dtype: "bool" };
for (const [a, b] of [
  [
    [2, 3],
    [2, 3],
  ],
  [[], [3]],
  [[3], [2, 1]],
] as const)
  check("Where", ops.Where, flag, a, b);
for (const name of ["GatedGelu", "GatedSilu"] as const) check(name, ops[name], { shape: [2, 3], scale: -4 }, [2, 3]);
check("Cast", (x) => ops.Cast(ops.Exp(x!), { to: "float64" }), [2, 3]);
for (const [a, b] of [
  [
    [2, 4],
    [4, 3],
  ],
  [
    [2, 3, 4],
    [4, 3],
  ],
  [
    [3, 4],
    [2, 4, 3],
  ],
  [
    [2, 1, 4, 5],
    [1, 3, 5, 4],
  ],
] as const)
  check("MatMul", ops.MatMul, a, b);
check("Transpose", (x) => ops.Transpose(x!, { perm: [2, 0, 1] }), [2, 3, 4]);
check("Reshape", (x) => ops.Reshape(x!, { shape: [6] }), [2, 3]);
check("Expand", (x) => ops.Expand(x!, { shape: [4, 2, 3] }), [2, 1]);
check("Concat", (a, b, c) => ops.Concat(a!, b!, c!, { axis: 1 }), [2, 1], [2, 3], [2, 2]);
check("Slice", (x) => ops.Slice(x!, position(1), position(3), { axis: 1, size: 2 }), [2, 4]);
check("Slice", (x) => ops.Slice(x!, position(0), position(1), { axis: 0, size: 1 }), [2, 4]);
for (const axes of [[1], [0, 2], [0, 1, 2]]) {
  check("ReduceSum", (x) => ops.ReduceSum(x!, { axes }), [2, 3, 4]);
  check("ReduceMean", (x) => ops.ReduceMean(x!, { axes }), [2, 3, 4]);
  check("ReduceMax", (x) => ops.ReduceMax(x!, { axes }), [2, 3, 4]);
}
for (const rows of [5, 600]) check("Gather", ops.Gather, [rows, 3], int([4], [4, 0, 4, 1]));
check(
  "DequantizeLinear",
  (x, scales) => ops.DequantizeLinear(x!, scales!, { block_size: 2 }),
  { shape: [2, 4], dtype: "int8", data: [1, -2, 3, 0, 5, -128, 127, 2] },
  [2, 2],
);
check("GatherElements", (x, i) => ops.GatherElements(x!, i!, { axis: 1 }), [3, 4], int([3, 2], [0, 0, 3, 1, 2, 2]));
check(
  "ScatterElements",
  (x, i, u) => ops.ScatterElements(x!, i!, u!, { axis: 1 }),
  [3, 4],
  int([3, 2], [0, 0, 3, 1, 2, 2]),
  [3, 2],
);
check("Softmax", (x) => ops.Softmax(x!), [3, 4]);
check("LogSoftmax", (x) => ops.LogSoftmax(x!), [3, 4]);
check(
  "SimplifiedLayerNormalization",
  (x, w) => ops.SimplifiedLayerNormalization(x!, w!, { epsilon: 1e-5 }),
  [3, 4],
  [4],
);
check("UnitNorm", (x) => ops.UnitNorm(x!, { epsilon: 1e-5 }), [3, 4]);
const table = (f: (angle: number) => number) => constant([0, 0, 1, 0.1, 2, 0.2].map(f), "float64", [3, 2]);
const rotate = (x?: Value) =>
  ops.RotaryEmbedding(x!, constant([0, 2, 1], "int64", [1, 3]), table(Math.cos), table(Math.sin), { num_heads: 2 });
check("RotaryEmbedding", rotate, [1, 3, 8]);
check(
  "RotaryEmbeddingOfHeads",
  (x) => ops.RotaryEmbeddingOfHeads(x!, constant([0, 2, 1], "int64", [1, 3]), table(Math.cos), table(Math.sin)),
  [1, 2, 3, 4],
);
const angles = (f: (angle: number) => number) =>
  constant([0, 0, 3, 0.3, 0, 0, 1, 0.1, 4, 0.4, 0, 0, 2, 0.2, 5, 0.5, 0, 0].map(f), "float64", [9, 2]);
check(
  "RotaryEmbeddingOfKinds",
  (x) => ops.RotaryEmbeddingOfKinds(x!, angles(Math.cos), angles(Math.sin), { rows: 1, kinds: [1, 1, 1] }),
  [3, 1, 3, 4],
);
check("After", (x, y) => ops.After(ops.Mul(x!, y!), ops.Exp(y!)), [2, 3], [2, 3]);

test("TopK is the largest along the last axis, the largest first, and where they are", async () => {
  const data = [3, 1, 4, 1, 5, -9, 2, 6, 5, 3, 5, 8];
  const { values, indices } = topK(input("x", "float32", ["rows", 6]), 3);
  const program = await (await testDevice()).compile({ values, indices });
  const found = await program.run({ x: tensor("float32", [2, 6], data) });
  assert.deepEqual(toNumbers(found.values!), [5, 4, 3, 8, 6, 5]);
  assert.deepEqual(toNumbers(found.indices!), [4, 2, 0, 5, 1, 2]);
  await program.release();
});

test("every op with a gradient has a case", () => {
  for (const [name, op] of Object.entries(ops)) assert.ok(!op.gradient || checked.has(name), `${name} has no case`);
});

test("a value used twice gets the sum of both gradients", () =>
  assertGradient((x) => ops.Mul(x!, ops.Add(x!, ops.Exp(x!))), { shape: [2, 3] }));

test("shapes that do not fit are a ShapeError that names them", () => {
  const [a, b] = [constant([1, 2, 3], "float32"), constant([1, 2], "float32")];
  assert.throws(() => ops.Add(a, b), new ShapeError("Cannot broadcast [3] with [2]: 3 and 2 differ on axis 0."));
});

after(async () => (await testDevice()).close());
