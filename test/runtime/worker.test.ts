import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { test } from "node:test";
import { input } from "../../src/graph/value.ts";
import { MatMul } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";

test("the main thread is never held up for 50 ms while a program runs", async () => {
  const device = await openDevice("cpu");
  const shape = [1400, 1400];
  const x = input("x", "float32", shape);
  let y = x;
  for (let i = 0; i < 8; i++) y = MatMul(y, x);
  const program = await device.compile({ y }, { keep: ["y"] });
  await device.write("x", tensor("float32", shape, new Float32Array(1400 * 1400).fill(1e-4)));
  await program.run({});
  let [last, longest] = [performance.now(), 0];
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  const start = performance.now();
  await program.run({});
  const took = performance.now() - start;
  clearInterval(timer);
  await device.close();
  assert.ok(took > 150, `the program must run long enough to tell; it took ${took.toFixed(0)} ms`);
  assert.ok(longest < 50, `the main thread was held up for ${longest.toFixed(0)} ms of ${took.toFixed(0)}`);
});

test("a program that lacks an input says which", async () => {
  const device = await openDevice("cpu");
  const program = await device.compile({ y: MatMul(input("a", "float32", [1, 1]), input("b", "float32", [1, 1])) });
  await assert.rejects(program.run({ a: tensor("float32", [1, 1], [1]) }), /needs "b"/);
  await device.close();
});
