import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { DistillError } from "../../src/core/errors.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { onnx } from "../../src/exporters/onnx.ts";
import { compareRunner, continueGreedily, requireParity } from "../../src/exporters/parity.ts";
import { openOnnxRunner } from "../../src/exporters/runners/onnx.ts";
import { openReferenceRunner } from "../../src/exporters/runners/reference.ts";
import type { Continuation, Runner } from "../../src/exporters/runners/runner.ts";
import { encodeOnnx } from "../../src/formats/onnx.ts";
import { readConfig } from "../../src/models/load.ts";
import { writeModel } from "../support/models.ts";
import { scratch, TOKENIZER, writeStudent } from "../support/students.ts";

const folder = scratch();
const student = join(folder, "student");
const output = join(folder, "export");
const path = join(output, "onnx", "model.onnx");
const tokenizer = loadTokenizer(TOKENIZER);
const prompts = ["12*34+5=?", "98*76-543=?", "7"].map(tokenizer.encode);
const options = { stops: tokenizer.stops, max_completion_length: 16 };

before(async () => {
  await writeStudent(student);
  await onnx.create({ dtypes: ["fp32"], max_file_bytes: 1e9, transformers_js: 3 })({ folder: student }, output);
});

async function reportOf(file: string) {
  const [reference, candidate] = [await openReferenceRunner(student), await openOnnxRunner(file)];
  const continuations = await continueGreedily(reference, prompts, options);
  const report = await compareRunner("onnx-fp32", candidate, continuations);
  await Promise.all([reference.close(), candidate.close()]);
  return { report, continuations };
}

test("an export in full precision passes the gate at 1e-6", async () => {
  const { report, continuations } = await reportOf(path);
  const tokens = continuations.reduce((sum, { completion }) => sum + completion.length, 0);
  assert.ok(tokens > 10);
  assert.ok(report.max_kl < 1e-6, `${report.max_kl}`);
  assert.deepEqual(
    { ...report, mean_kl: 0, max_kl: 0 },
    {
      name: "onnx-fp32",
      prompts: 3,
      tokens,
      identical_prompts: 3,
      first_divergence: null,
      mean_kl: 0,
      max_kl: 0,
      top1_agreement: 1,
    },
  );
  requireParity(report, 1e-6);
});

/** The export with other weights at its end, which are the last layer's feed-forward and two norms. */
function damaged(name: string, damage: (weights: Float32Array) => void): string {
  const bytes = readFileSync(path);
  const weights = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length).slice(-4 * 32),
  );
  damage(weights);
  bytes.set(new Uint8Array(weights.buffer), bytes.length - weights.byteLength);
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

test("a damaged export fails the gate in a sentence", async () => {
  const { report } = await reportOf(damaged("damaged.onnx", (weights) => weights.fill(0.5, 0, 200)));
  assert.throws(
    () => requireParity(report, 1e-3),
    (error) => {
      assert.ok(error instanceof DistillError);
      assert.match(
        error.message,
        /^onnx-fp32 does not behave like the trained weights: its mean KL is \S+ nats a token, at most 0\.001/,
      );
      return true;
    },
  );
});

test("an export, or weights, whose logits are not finite are refused in a sentence", async () => {
  const refused = (name: RegExp) => ({
    name: "DistillError",
    message: new RegExp(
      `${name.source} gives logits that are not finite (after token 1 of \\d+|for request 0)\\. .* fp32`,
    ),
  });
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const file = damaged(`${value}.onnx`, (weights) => weights.fill(value, 0, 1));
    await assert.rejects(reportOf(file), refused(/(NaN|Infinity)\.onnx/));
    const weights = join(folder, `weights ${value}`);
    await writeModel(weights, readConfig(student), {
      change: (tensors) => tensors.get("model.norm.weight")!.fill(value, 0, 1),
    });
    const reference = await openReferenceRunner(weights);
    await assert.rejects(continueGreedily(reference, prompts, options), refused(/weights (NaN|Infinity)/));
    await reference.close();
  }
});

test("tokens that are impossible to both cost no divergence, and one that is impossible to the file costs all", async () => {
  const masked = (runner: Runner, ...tokens: number[]): Runner => ({
    ...runner,
    logits: async (...text) =>
      (await runner.logits(...text)).map((x, i) => (tokens.includes(i % 10) ? Number.NEGATIVE_INFINITY : x)),
  });
  const reference = counting((id) => (id + 1) % 10, 3);
  const continuations = [await foreseen(masked(reference, 9), [1, 2], [3, 4, 5, 6])];
  const compare = async (...tokens: number[]) =>
    (await compareRunner("x", masked(reference, ...tokens), continuations)).mean_kl;
  assert.ok((await compare(9)) < 1e-12);
  assert.equal(await compare(8), Number.POSITIVE_INFINITY);
});

/** A runner whose most likely token after each token is what `next` says, with this lead over the others. */
const counting = (next: (id: number, at: number) => number, lead: number, vocab = 10): Runner => ({
  logits: async (tokens, from = 0) => {
    const logits = new Float32Array(tokens.length * vocab);
    tokens.forEach((id, i) => {
      logits[i * vocab + next(id, i)] = lead;
    });
    return logits.subarray(from * vocab);
  },
  close: async () => {},
});

/** A text with what a runner finds likely in it. */
async function foreseen(runner: Runner, prompt: number[], completion: number[]): Promise<Continuation> {
  const logits = await runner.logits([...prompt, ...completion].slice(0, -1), prompt.length - 1);
  const probabilities = completion.map((_, i) => {
    const weights = logits.slice(i * 10, i * 10 + 10).map(Math.exp);
    const sum = weights.reduce((a, b) => a + b);
    return weights.map((x) => x / sum);
  });
  return { prompt, completion, probabilities };
}

test("KL, agreement and the first divergence are those of distributions known in closed form", async () => {
  const reference = counting((id) => (id + 1) % 10, 3);
  const continuations = [await foreseen(reference, [1, 2], [3, 4, 5, 6]), await foreseen(reference, [5], [6])];
  // says 9 after the token at index 3, which is the third token of the first continuation
  const candidate = counting((id, at) => (at === 3 ? 9 : (id + 1) % 10), 3);
  const { mean_kl, max_kl, ...report } = await compareRunner("x", candidate, continuations);
  const z = Math.exp(3) + 9;
  const kl = ((Math.exp(3) - 1) / z) * 3; // (p₁ - p₂)·3 for two outcomes that change places
  assert.ok(Math.abs(max_kl - kl) < 1e-6 && Math.abs(mean_kl - kl / 5) < 1e-6);
  assert.deepEqual(report, {
    name: "x",
    prompts: 2,
    tokens: 5,
    identical_prompts: 1,
    first_divergence: 2,
    top1_agreement: 0.8,
  });
  await assert.rejects(
    compareRunner(
      "x",
      counting((id) => id, 1, 12),
      continuations,
    ),
    /x gives 12 logits for each token, and the trained weights 10/,
  );
});

test("a file that is no model, or no decoder, is refused in a sentence", async () => {
  const text = join(folder, "text.onnx");
  writeFileSync(text, "no model");
  await assert.rejects(openOnnxRunner(text), {
    name: "DistillError",
    message: /text\.onnx is not a model that ONNX Runtime can load: /,
  });
  const info = { name: "x", elemType: "float32", shape: [1] } as const;
  const identity = { opType: "Identity", domain: "", input: ["x"], output: ["y"], attribute: [] };
  const other = join(folder, "other.onnx");
  writeFileSync(
    other,
    encodeOnnx({
      opset: { "": 21 },
      node: [identity],
      input: [info],
      output: [{ ...info, name: "y" }],
      initializer: [],
    }),
  );
  await assert.rejects(openOnnxRunner(other), {
    name: "DistillError",
    message: /other\.onnx is not a decoder with a cache/,
  });
});
