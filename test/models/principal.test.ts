import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { seededRandom } from "../../src/core/random.ts";
import { leadingPart, principalPart } from "../../src/models/principal.ts";
import { symmetricEigen } from "../../src/models/symmetric-eigen.ts";

type Sums = { rows: number[]; columns: number[] };
type Case = { out: number; in: number; r: number; weight: string; principal: Sums; leading: Sums };
const { cases } = JSON.parse(readFileSync("test/reference/principal.json", "utf8")) as { cases: Record<string, Case> };

function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.equal(found.length, expected.length);
  return Math.max(...Array.from(expected, (x, i) => Math.abs(x - found[i]!)));
}

for (const [name, { out, in: width, r, weight, ...expected }] of Object.entries(cases))
  for (const [part, of] of Object.entries({ principal: principalPart, leading: leadingPart }))
    test(`${name}: the ${part} part is PyTorch's`, () => {
      const bytes = Buffer.from(weight, "base64");
      const w = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
      const found = of(w, { out, in: width }, r);
      const at = (o: number, i: number) => found[o * width + i]!;
      const sum = (n: number, f: (i: number) => number) =>
        Array.from({ length: n }, (_, i) => f(i)).reduce((a, b) => a + b);
      const { rows, columns } = expected[part as "principal" | "leading"];
      const byRow = Array.from({ length: out }, (_, o) => sum(width, (i) => at(o, i)));
      const byColumn = Array.from({ length: width }, (_, i) => sum(out, (o) => at(o, i)));
      assert.ok(largestDifference(byRow, rows) < 1e-9, `${largestDifference(byRow, rows)}`);
      assert.ok(largestDifference(byColumn, columns) < 1e-9, `${largestDifference(byColumn, columns)}`);
    });

test("a matrix of zeros, of one value, of rank one and of more rank asked than there is has parts that are itself", () => {
  const sizes = { out: 7, in: 5 };
  const one = Float32Array.from({ length: 35 }, (_, i) => (1 + Math.floor(i / 5)) * ((i % 5) - 1.5));
  const unit = Float32Array.from({ length: 35 }, (_, i) => (i % 6 === 0 ? 1 : 0));
  for (const [w, r] of [
    [new Float32Array(35), 2],
    [one, 1],
    [one, 3],
    [unit, 5],
    [unit, 9],
  ] as const)
    for (const of of [principalPart, leadingPart]) assert.ok(largestDifference(of(w, sizes, r), w) < 1e-12);
});

test("eigenvectors are orthogonal, in order, and give the matrix again, also where eigenvalues are equal", () => {
  const n = 60;
  const random = seededRandom(2);
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = random.normal();
  const equal = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 3 : 1));
  for (const matrix of [a, equal, new Float64Array(n * n)]) {
    const { values, vectors } = symmetricEigen(matrix.slice(), n);
    const again = new Float64Array(n * n);
    const products = new Float64Array(n * n);
    for (let k = 0; k < n; k++)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
          again[i * n + j] = again[i * n + j]! + values[k]! * vectors[k * n + i]! * vectors[k * n + j]!;
          products[i * n + j] = products[i * n + j]! + vectors[i * n + k]! * vectors[j * n + k]!;
        }
    const unit = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
    assert.ok(largestDifference(again, matrix) < 1e-11);
    assert.ok(largestDifference(products, unit) < 1e-12);
    assert.ok(values.every((x, i) => i === 0 || x <= values[i - 1]!));
  }
});
