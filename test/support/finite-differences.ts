/** @file The oracle for gradients: central differences in float64 on ONNX Runtime's CPU kernels. */

import assert from "node:assert/strict";
import { gradients } from "../../src/compiler/gradients.ts";
import { isFloat } from "../../src/graph/op.ts";
import { elements } from "../../src/graph/shape.ts";
import { type DType, input, type Value } from "../../src/graph/value.ts";
import { Mul, ReduceSum, Reshape } from "../../src/ops/index.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { type Tensor, tensor, toNumbers } from "../../src/runtime/tensor.ts";

/** Numbers in (low, high) from a seed. */
export function random(seed: number, low = 0.25, high = 1.25): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return low + ((high - low) * state) / 2147483647;
  };
}

let opened: Promise<Device> | undefined;
/** One CPU device for the whole test file, and another for the next in the same process. */
export const testDevice = (): Promise<Device> => {
  opened ??= openDevice("cpu", { threads: 1 }).then((device) => {
    const close = device.close.bind(device);
    device.close = () => {
      opened = undefined;
      return close();
    };
    return device;
  });
  return opened;
};

/** Numbers in an array of their type from the first: that of lists takes long for a million. */
function filled(length: number, number: (i: number) => number) {
  const array = new Float64Array(length);
  for (let i = 0; i < length; i++) array[i] = number(i);
  return array;
}

export type Case = { shape: readonly number[]; dtype?: DType; data?: readonly number[]; scale?: number };

/**
 * Assert that the gradient of f's output, weighted at random, agrees with central differences along random directions and
 * along every axis of small inputs: |difference| <= 1e-5 · (1e-3 + |gradient|).
 */
export async function assertGradient(f: (...xs: Value[]) => Value, ...cases: Case[]): Promise<void> {
  const device = await testDevice();
  const next = random(7);
  const xs = cases.map(({ shape, dtype = "float64" }, i) => input(`x${i}`, dtype, shape));
  const y = f(...xs);
  const w = input("w", "float64", y.shape);
  const loss = Reshape(ReduceSum(Mul(y, w), { axes: y.shape.map((_, i) => i) }), { shape: [] });
  const feeds: Record<string, Tensor> = {};
  cases.forEach(({ shape, dtype = "float64", data, scale = 1 }, i) => {
    const drawn = () => filled(elements(shape), () => (next() - (scale < 0 ? 0.75 : 0)) * Math.abs(scale));
    const values = data ?? drawn();
    feeds[`x${i}`] = tensor(dtype, shape, dtype === "float64" && !data ? values : [...values]);
  });
  feeds.w = tensor("float64", y.shape as number[], filled(elements(y.shape), next));

  const floats = xs.filter(({ dtype }) => isFloat(dtype));
  const forward = await device.compile({ loss });
  const backward = await device.compile(Object.fromEntries(gradients(loss, floats).map((g, i) => [`g${i}`, g])));
  const found = await backward.run(feeds);
  const at = async (name: string, data: Float64Array) =>
    toNumbers((await forward.run({ ...feeds, [name]: { ...feeds[name]!, data } })).loss!)[0]!;
  for (const [i, { name, shape }] of floats.entries()) {
    const g = toNumbers(found[`g${i}`]!);
    assert.deepEqual(found[`g${i}`]!.shape, shape, `the gradient of ${name} has its shape`);
    const x = feeds[name!]!.data as Float64Array;
    const directions = x.length <= 40 ? Array.from(x, (_, k) => Float64Array.from(x, (_, j) => (j === k ? 1 : 0))) : [];
    for (let k = 0; k < 3; k++) directions.push(filled(x.length, () => next() - 0.75));
    for (const d of directions) {
      const h = 1e-5;
      const near = (sign: number) => filled(x.length, (j) => x[j]! + sign * h * d[j]!);
      const up = await at(name!, near(1));
      const down = await at(name!, near(-1));
      const expected = (up - down) / (2 * h);
      let got = 0;
      for (let j = 0; j < d.length; j++) got += d[j]! * g[j]!;
      assert.ok(
        Math.abs(got - expected) <= 1e-5 * (1e-3 + Math.abs(expected)),
        `${name}: gradient ${got}, finite difference ${expected}`,
      );
    }
  }
  await forward.release();
  await backward.release();
}
