import assert from "node:assert/strict";
import { after, test } from "node:test";
import { layOut } from "../../src/data/batch.ts";
import { testDevice } from "../support/finite-differences.ts";
import {
  batchOf,
  compileFor,
  gradientsOf,
  measure,
  prepare,
  relativeDifference,
  segment,
} from "../support/training.ts";

const segments = [segment(1, 20, 5), segment(2, 9, 3), segment(3, 14, 1), segment(4, 5, 2)];

test("packed examples have the loss and the gradients of examples in rows of their own", async () => {
  const device = await testDevice();
  const model = await prepare(device);
  const apart = batchOf(
    segments.map((s) => [s]),
    24,
  );
  const loss = await measure(await compileFor(device, model, apart), apart);
  const expected = await gradientsOf(device, model);
  for (const block of [8, 24, 48]) {
    const packed = batchOf([[segments[1]!, segments[0]!, segments[3]!], [segments[2]!]], 48, 40, block);
    const packedLoss = await measure(await compileFor(device, model, packed), packed);
    assert.ok(Math.abs(packedLoss - loss) < 1e-5 * loss, `${packedLoss} and ${loss}`);
    for (const [name, gradient] of await gradientsOf(device, model))
      assert.ok(relativeDifference(gradient, expected.get(name)!) < 1e-4, `${name}, blocks of ${block}`);
  }
});

test("a token never sees another segment, nor what comes after it", async () => {
  const device = await testDevice();
  const model = await prepare(device);
  // only the second segment's first prediction is supervised
  const probe = { tokens: segments[1]!.tokens, supervised: segments[1]!.tokens.map((_, i) => i === 2) };
  const losses: number[] = [];
  for (const [before, last] of [
    [7, 1],
    [8, 2],
  ] as const) {
    const other = segment(before, 11, 11);
    const changed = { ...probe, tokens: probe.tokens.map((id, i) => (i < 3 ? id : (id + last) % 40)) };
    const batch = batchOf([[other, changed, segment(before + 2, 6, 6)]], 32, 40, 8);
    losses.push(await measure(await compileFor(device, model, batch), batch));
  }
  assert.equal(losses[0], losses[1]);
});

test("accumulated micro-batches have the gradient of one large batch: the mean over all supervised tokens", async () => {
  const device = await testDevice();
  const model = await prepare(device);
  const large = batchOf(
    segments.map((s) => [s]),
    24,
  );
  const loss = await measure(await compileFor(device, model, large), large);
  const expected = await gradientsOf(device, model);
  const micro = segments.map((s) => batchOf([[s]], 24));
  const training = await compileFor(device, model, micro[0]!);
  const sum = await measure(training, ...micro);
  assert.ok(Math.abs(sum - loss) < 1e-5 * loss);
  for (const [name, gradient] of await gradientsOf(device, model))
    assert.ok(relativeDifference(gradient, expected.get(name)!) < 1e-5, name);
});

test("a program is compiled for a number of rows and runs with fewer", async () => {
  const device = await testDevice();
  const model = await prepare(device);
  const two = batchOf([[segments[0]!], [segments[2]!]], 24);
  const one = layOut([[segments[0]!]], two.shape);
  const alone = batchOf([[segments[0]!]], 24);
  const a = await measure(await compileFor(device, model, two), one);
  const b = await measure(await compileFor(device, model, alone), alone);
  assert.ok(Math.abs(a - b) < 1e-6 * b, `${a} and ${b}`);
});

after(async () => (await testDevice()).close());
