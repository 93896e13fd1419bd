import assert from "node:assert/strict";
import { after, test } from "node:test";
import { gradients } from "../../src/compiler/gradients.ts";
import { lower } from "../../src/compiler/lower.ts";
import { type Target, targets } from "../../src/compiler/targets.ts";
import { constant, input, toposort, type Value } from "../../src/graph/value.ts";
import { attention } from "../../src/nn/attention.ts";
import { Mul, ReduceSum, Reshape, Scan } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { assertGradient, random, testDevice } from "../support/finite-differences.ts";

after(async () => (await testDevice()).close());

// longer than rows whose probabilities are kept, in blocks of which the last is shorter
const LAYOUT = { rows: 2, length: 300, block: 128, num_heads: 4, num_key_value_heads: 2, head_dim: 2 };
const { rows, length, block, num_heads, num_key_value_heads, head_dim } = LAYOUT;
const SEGMENTS = [
  [0, 70, 200],
  [0, 130],
];
const starts = SEGMENTS.flatMap((firsts) =>
  Array.from({ length }, (_, at) => firsts.findLast((first) => first <= at)!),
);
const segmentStarts = constant(starts, "float32", [rows, length, 1, 1]);
const keyStarts: Value[] = [];
for (let first = block; first < length; first += block)
  keyStarts.push(constant([Math.min(...SEGMENTS.map((_, row) => starts[row * length + first]!))], "int64"));

const shapes = [num_heads, num_key_value_heads, num_key_value_heads].map((n) => [rows * length, n * head_dim]);
const [q, k, v] = shapes.map((shape, i) => input("qkv"[i]!, "float64", shape)) as [Value, Value, Value];

for (const window of [undefined, 50])
  test(`attention in long rows is the formula, head by head and at once${window ? ", in a window" : ""}`, async () => {
    const next = random(3, -2, 2);
    const data = shapes.map(([m, n]) => Array.from({ length: m! * n! }, next));
    const feeds = Object.fromEntries(shapes.map((shape, i) => ["qkv"[i]!, tensor("float64", shape, data[i]!)]));
    const y = attention(q, k, v, segmentStarts, ...keyStarts, { ...LAYOUT, window });
    const sum = Reshape(ReduceSum(Mul(y, y), { axes: [0, 1] }), { shape: [] });
    const [dq, dk, dv] = gradients(sum, [q, k, v]);
    const outputs = { y, dq: dq!, dk: dk!, dv: dv! };
    const withoutScan: Target = {
      ...targets.cpu,
      has: (op, dtype) => op !== Scan && targets.cpu.has(op, dtype),
    };
    assert.equal(scans(outputs, targets.cpu), 6);
    for (const target of [withoutScan, targets.webgpu, targets.cuda, targets.portable])
      assert.equal(scans(outputs, target), 0);

    const headByHead = await testDevice();
    const atOnce = await openDevice("cpu");
    Object.defineProperty(atOnce, "target", { value: withoutScan });
    const found = await (await headByHead.compile(outputs)).run(feeds);
    const same = await (await atOnce.compile(outputs)).run(feeds);
    for (const name of Object.keys(outputs)) assertClose(toNumbers(found[name]!), toNumbers(same[name]!), name);
    assertClose(toNumbers(found.y!), formula(data as [number[], number[], number[]], window ?? length), "the formula");
    await atOnce.close();
  });

test("the gradient of attention in long rows equals finite differences", () =>
  assertGradient(
    (q, k, v) => attention(q, k, v, segmentStarts, ...keyStarts, LAYOUT),
    ...shapes.map((shape) => ({ shape, scale: -2 })),
  ));

const scans = (outputs: Record<string, Value>, target: Target) =>
  toposort(...lower(Object.values(outputs), target)).filter(({ node }) => node?.op === Scan).length;

function assertClose(found: readonly number[], expected: readonly number[], what: string): void {
  assert.equal(found.length, expected.length);
  const worst = Math.max(...found.map((x, i) => Math.abs(x - expected[i]!)));
  assert.ok(worst < 1e-12, `${what}: ${worst}`);
}

/** softmax(q·k / √head_dim) v over the tokens of the segment up to each token, the nearest `window` of them. */
function formula([q, k, v]: readonly [number[], number[], number[]], window: number): number[] {
  const y: number[] = [];
  const shared = num_heads / num_key_value_heads;
  for (let at = 0; at < rows * length; at++)
    for (let head = 0; head < num_heads; head++) {
      const row = Math.floor(at / length) * length;
      const first = Math.max(row + starts[at]!, at - window + 1);
      const cell = (x: readonly number[], token: number, heads: number, h: number, i: number) =>
        x[(token * heads + h) * head_dim + i]!;
      const kv = Math.floor(head / shared);
      const weights = Array.from({ length: at - first + 1 }, (_, j) => {
        let score = 0;
        for (let i = 0; i < head_dim; i++)
          score += cell(q, at, num_heads, head, i) * cell(k, first + j, num_key_value_heads, kv, i);
        return Math.exp(score / Math.sqrt(head_dim));
      });
      const total = weights.reduce((a, b) => a + b, 0);
      for (let i = 0; i < head_dim; i++)
        y.push(weights.reduce((sum, w, j) => sum + w * cell(v, first + j, num_key_value_heads, kv, i), 0) / total);
    }
  return y;
}
