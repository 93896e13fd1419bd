import assert from "node:assert/strict";
import { test } from "node:test";
import { foldNorms } from "../../src/compiler/folds.ts";
import { input, type Value } from "../../src/graph/value.ts";
import { linear } from "../../src/nn/linear.ts";
import { Add, Concat, SimplifiedLayerNormalization } from "../../src/ops/index.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { gradientName } from "../../src/trainers/layout/layout.ts";
import { lossAndGradients } from "../../src/trainers/program.ts";
import { nextToken, nextTokenFeeds } from "../../src/trainers/supervised.ts";
import { batchOf, prepare, relativeDifference, segment } from "../support/training.ts";

const [x, w] = [input("x", "float32", [8, 4]), input("w", "float32", [4])];
const norm = (weight: Value) => SimplifiedLayerNormalization(x, weight, { epsilon: 1e-5 });
const matrix = (name: string) => input(name, "float32", [6, 4]);
const folds = (outputs: readonly Value[], ...weights: string[]) =>
  foldNorms(outputs, new Set(weights)).folded.map(({ norm, of }) => ({ norm, of }));

test("a norm's weight is taken into the matrices that multiply what it gives, where nothing else reads either", () => {
  const y = norm(w);
  const joined = Concat(matrix("b"), matrix("c"), { axis: 0 });
  const products = [linear(y, matrix("a")), linear(y, joined)];
  assert.deepEqual(folds(products, "w", "a", "b", "c"), [
    { norm: "w", of: ["a"] },
    { norm: "w", of: ["b", "c"] },
  ]);
  assert.deepEqual(folds(products, "w", "a", "b"), [], "a matrix that is not trained");
  assert.deepEqual(folds(products, "a", "b", "c"), [], "a norm that is not trained");
  assert.deepEqual(folds([...products, Add(y, y)], "w", "a", "b", "c"), [], "what it gives is read by others");
  assert.deepEqual(folds([...products, linear(x, matrix("a"))], "w", "a", "b", "c"), [], "a matrix is");
  assert.deepEqual(folds([...products, Add(w, w)], "w", "a", "b", "c"), [], "its weight is");
  assert.deepEqual(folds([...products, y], "w", "a", "b", "c"), [], "it is an output");
});

for (const fewKernels of [false, true])
  test(`the gradients of weights and norms follow from those of folded matrices, ${fewKernels ? "joined" : "each alone"}`, async () => {
    const device = await openDevice("cpu", { threads: 1 });
    const model = await prepare(device);
    const batch = batchOf([[segment(1, 20, 5), segment(2, 9, 3)], [segment(3, 14, 1)]], 32, 40, 16);
    const shape = fewKernels ? { ...batch.shape, fewKernels } : batch.shape;
    const run = async ({ grads, loss }: { grads: Record<string, Value>; loss: Value }) =>
      (await device.compile({ ...grads, loss })).run(nextTokenFeeds(batch, 0.1));
    const expected = await run(lossAndGradients(model, nextToken, shape));
    const folded = lossAndGradients(model, nextToken, shape, { fold: true });
    const found = await run(folded);
    assert.ok(relativeDifference(found.loss!.data as Float32Array, expected.loss!.data as Float32Array) < 1e-6);
    const read = async (name: string) => (await device.read(name)).data as Float32Array;
    const gradients = new Map(Object.entries(found).map(([name, { data }]) => [name, data as Float32Array]));
    const sums = new Map<string, Float32Array>();
    assert.equal(new Set(folded.folds.map(({ norm }) => norm)).size, 4, "two norms of each of two layers");
    for (const { norm, of } of folded.folds)
      for (const name of of) {
        const [weight, ofNorm, dM] = [await read(name), await read(norm), gradients.get(gradientName(name))!];
        const sum = sums.get(norm) ?? new Float32Array(ofNorm.length);
        for (const [i, d] of dM.entries()) sum[i % ofNorm.length]! += d * weight[i]!;
        sums.set(norm, sum);
        gradients.set(
          gradientName(name),
          dM.map((d, i) => d * ofNorm[i % ofNorm.length]!),
        );
      }
    for (const [norm, sum] of sums) {
      assert.ok(!gradients.has(gradientName(norm)));
      gradients.set(gradientName(norm), sum);
    }
    for (const { name } of model.parameters) {
      const exact = expected[gradientName(name)]!.data as Float32Array;
      assert.ok(relativeDifference(gradients.get(gradientName(name))!, exact) < 1e-5, name);
    }
    await device.close();
  });
