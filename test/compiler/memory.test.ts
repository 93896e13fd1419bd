import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { estimate } from "../../src/compiler/memory.ts";
import { targets } from "../../src/compiler/targets.ts";
import { batchShape } from "../../src/data/batch.ts";
import { input, type Value } from "../../src/graph/value.ts";
import { createModel } from "../../src/models/load.ts";
import { Add, Exp, MatMul, ReduceSum, Reshape, Softmax, Transpose } from "../../src/ops/index.ts";
import { scan } from "../../src/ops/scan.ts";
import { lossAndGradients } from "../../src/trainers/program.ts";
import { nextToken } from "../../src/trainers/supervised.ts";
import { TOY } from "../../src/trainers/toy.ts";
import { distill, startDistill } from "../support/cli.ts";

const none = (name: string): number => {
  throw new Error(`${name} is not known`);
};
const of = (...outputs: Value[]) =>
  estimate(Object.fromEntries(outputs.map((y, i) => [`y${i}`, y])), targets.cpu, none);

const x = input("x", "float32", [10, 100]); // 4000 bytes

test("a value lives until its last reader has run, and some readers write over it", async () => {
  assert.equal(of(Softmax(Softmax(Softmax(x)))).peak_bytes, 8000, "two of three at a time");
  assert.equal(of(Exp(Exp(Exp(x)))).peak_bytes, 4000, "each in the place of the one before");
  const y = Softmax(x);
  assert.equal(of(Add(Exp(y), y)).peak_bytes, 8000, "y is read again, so Exp needs a place");
  assert.equal(of(y, Exp(y)).peak_bytes, 8000, "an output stays");
  assert.equal(of(Softmax(Reshape(y, { shape: [1000] }))).peak_bytes, 8000, "another shape is the same memory");
  assert.deepEqual([...of(y).input_bytes], [["x", 4000]]);
});

test("what a Scan needs for an item is there once, beside its results", async () => {
  const items = input("x", "float32", [4, 1000]);
  const [sums] = scan(([x]) => [ReduceSum(Softmax(Softmax(x!)), { axes: [0] })], [items]);
  const { peak_bytes, arena_bytes } = of(sums!);
  assert.ok(peak_bytes > 7900 && peak_bytes < 8100, `${peak_bytes} bytes`);
  assert.ok(arena_bytes > 7900);
});

test("a product of [m, k] and [k, n] is 2 m k n operations, however it is spelled", async () => {
  const [a, b] = [input("a", "float32", [7, 5]), input("b", "float32", [5, 3])];
  assert.equal(of(MatMul(a, b)).flops, 2 * 7 * 5 * 3);
  const turned = Transpose(input("c", "float32", [5, 7]), { perm: [1, 0] });
  assert.equal(of(MatMul(turned, b)).flops, 2 * 7 * 5 * 3);
  const named = estimate({ y: MatMul(input("d", "float32", ["n", 5]), b) }, targets.cpu, () => 9);
  assert.equal(named.flops, 2 * 9 * 5 * 3);
});

test("a training step costs 6 for each weight and token, and attention; less is kept where layers are computed again", async () => {
  const config = { ...TOY, hidden_size: 64, intermediate_size: 160, num_hidden_layers: 4, vocab_size: 64 };
  const model = createModel(config, "test");
  for (const [rows, length] of [
    [4, 64],
    [1, 512],
  ] as const) {
    const shape = batchShape(rows, length, 64);
    const sizes = (name: string) => {
      const [, what, block] = /^(before_keys|keys)_(\d+)$/.exec(name) ?? [];
      if (what) return what === "keys" ? (Number(block) + 1) * shape.block : 0;
      return name === "supervised" ? rows * length : name === "slots" ? rows * length + 1 : none(name);
    };
    const outputsOf = (rematerialize: boolean) => {
      const { loss, grads } = lossAndGradients(model, nextToken, shape, { rematerialize });
      return { ...grads, loss };
    };
    const [kept, again] = [false, true].map((rematerialize) => estimate(outputsOf(rematerialize), targets.cpu, sizes));
    const weights = model.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    // the embedding's gradient is a product here, which weighs as much as the head's; scores are computed twice: 14 for each pair
    const seen = (1 + shape.block / length) / 2; // of the keys
    const expected = rows * length * (6 * weights + 2 * 64 * 64 + 14 * 4 * 64 * length * seen);
    assert.ok(Math.abs(kept!.flops / expected - 1) < 0.05, `${kept!.flops} and ${expected}`);
    assert.ok(again!.flops > 1.2 * kept!.flops && again!.flops < 1.45 * kept!.flops);
    assert.ok(again!.peak_bytes < 0.6 * kept!.peak_bytes);
    assert.ok(kept!.arena_bytes >= kept!.peak_bytes && kept!.arena_bytes < 1.6 * kept!.peak_bytes);
  }
});

test("training takes the memory that was foreseen, and the manifest has both", async () => {
  const folder = mkdtempSync(join(tmpdir(), "memory-"));
  cpSync("data/arithmetic", join(folder, "tokenizer"), { recursive: true });
  const path = join(folder, "recipe.yaml");
  const config = {
    model_type: "llama",
    hidden_size: 128,
    intermediate_size: 352,
    num_hidden_layers: 3,
    num_attention_heads: 4,
  };
  const recipe = {
    name: "memory",
    output: join(folder, "run"),
    device: "cpu",
    student: { config, seed: 1 },
    tokenizer: "tokenizer",
    dataset: { generate: { type: "arithmetic" }, rows: 400 },
    trainer: { max_length: 128, max_steps: 3, per_device_train_batch_size: 24 },
  };
  writeFileSync(path, stringify(recipe));
  const plan = await distill("plan", path);
  assert.equal(plan.code, 0, plan.err);
  assert.match(plan.out, /MB of resident memory in all/);
  assert.match(plan.out, /3 steps of \d+ tokens and [\d.]+ GFLOP/);
  assert.equal((await startDistill(["train", path]).ended).code, 0);
  const { predicted, actual } = JSON.parse(readFileSync(join(folder, "run", "manifest.json"), "utf8")).stages.train
    .result;
  const ratio = predicted.peak_rss_mb / actual.peak_rss_mb;
  assert.ok(ratio > 0.8 && ratio < 1.25, `foreseen ${predicted.peak_rss_mb} MB, taken ${actual.peak_rss_mb} MB`);
  assert.equal(actual.steps, 3);
  assert.ok(actual.seconds > 0 && predicted.seconds > 0);
  assert.match((await distill("plan", path)).out, /Last time it took \d+ MB of memory, foreseen/);
});
