import assert from "node:assert/strict";
import { after, test } from "node:test";
import { emitJavaScriptLoop } from "../../src/compiler/javascript-loop.ts";
import { input } from "../../src/graph/value.ts";
import { adamW } from "../../src/nn/adamw.ts";
import { Exp } from "../../src/ops/index.ts";
import { scalarTensor, tensor, toNumbers } from "../../src/runtime/tensor.ts";
import { random, testDevice } from "../support/finite-differences.ts";
import { relativeDifference } from "../support/training.ts";

test("a loop computes what ONNX Runtime computes, in place", async () => {
  const device = await testDevice();
  const next = random(2);
  const graph = adamW(2, { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 });
  const states = ["param", "grad", "m", "v"].map(() => tensor("float32", [7, 5], Array.from({ length: 35 }, next)));
  for (const [i, name] of ["param", "grad", "m", "v"].entries())
    await device.write(name, { ...states[i]!, data: states[i]!.data.slice() as Float32Array });
  const numbers = { learning_rate: 0.1, weight_decay: 0.3, clip: 0.7, bias1: 0.2, bias2: 0.05 };
  const feeds = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, scalarTensor(value)]));
  const expected = await (await device.compile(graph)).run(feeds);
  const writes = { next_param: "param", next_m: "m", next_v: "v" };
  assert.deepEqual(await (await device.compileUpdate(graph)).run(feeds, { writes }), {});
  for (const [result, name] of Object.entries(writes))
    assert.ok(relativeDifference(toNumbers(await device.read(name)), toNumbers(expected[result]!)) < 1e-6, name);
});

test("what a loop cannot compute is named", () => {
  assert.throws(
    () => emitJavaScriptLoop({ y: Exp(input("x", "float32", ["n"])) }),
    /A loop cannot compute Exp\. Expected one of: Add,/,
  );
});

after(async () => (await testDevice()).close());
