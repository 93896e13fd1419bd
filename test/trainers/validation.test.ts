import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { allOf, inMemory, type Segments } from "../../src/data/example-store.ts";
import { openScorer } from "../../src/generation/logprobs.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import type { Model, ModelOptions, Parameter } from "../../src/models/model.ts";
import { type Device, openDevice } from "../../src/runtime/device.ts";
import { plainRunFolder } from "../../src/store/run-folder.ts";
import { trainedPart } from "../../src/student/trained.ts";
import * as trainers from "../../src/trainers/index.ts";
import { type Trainer, trainWith } from "../../src/trainers/trainer.ts";
import { CASES } from "../support/trainers.ts";
import { segment, TOY } from "../support/training.ts";

const examples = (seed: number, count: number) =>
  inMemory(Array.from({ length: count }, (_, i) => segment(seed + i, 8 + ((5 * i) % 14), 1 + (i % 4))));
const segments = examples(1, 11);
const validation = examples(101, 7);

const OPTIONS = {
  learning_rate: 1e-2,
  max_steps: 8,
  per_device_train_batch_size: 2,
  gradient_accumulation_steps: 2,
  max_length: 24,
  packing: false,
  save_steps: 3,
  save_total_limit: 2,
  logging_steps: 1,
};

const devices: Record<string, Device> = {};
before(async () => {
  devices.shared = await openDevice("cpu", { residency: "shared" });
  devices.device = await openDevice("cpu", { residency: "device" });
});
after(async () => {
  for (const device of Object.values(devices)) await device.close();
});

type Made = { model?: ModelOptions; trainer?: string; device?: string; signal?: AbortSignal; given?: object };

/** Train in a folder, which may hold checkpoints; the trained weights, what came of it and what was logged but for times. */
async function train(
  given: object,
  measured: Segments | undefined,
  { model: made = {}, trainer = "sft", device: name = "shared", signal, given: more }: Made = {},
  output = mkdtempSync(join(tmpdir(), "validation-")),
) {
  const device = devices[name]!;
  const model: Model = createModel(TOY, "The test's config", made);
  const weights = (parameters: readonly Parameter[]) => initialWeights({ ...model, parameters }, 3);
  const trained = trainedPart(model, TOY);
  const run = { device, model, trained, weights, folder: plainRunFolder(output), fingerprint: "a test", silent: true };
  const component = (trainers as Record<string, Trainer>)[trainer]!;
  const options = component.options.parse({ ...OPTIONS, ...given }) as Parameters<typeof trainWith>[1];
  const result = await trainWith(component, options, { ...run, signal }, { segments, validation: measured, ...more });
  const bytes: Buffer[] = [];
  for (const parameter of trained.parameters)
    bytes.push(Buffer.from(((await device.read(parameter.name)).data as Float32Array).slice().buffer));
  const lines = readFileSync(join(output, "metrics.jsonl"), "utf8").trim().split("\n");
  const log = lines.map((line) => ({ ...JSON.parse(line), tokens_per_s: undefined })) as Record<string, number>[];
  return { bytes, result, log, output, model, losses: log.filter((line) => "eval_loss" in line) };
}

const CASES_OF_MODELS: Record<string, Made> = {
  "all weights": {},
  "all weights, where states stay on a device": { device: "device" },
  "an adapter with dropout beside weights in 8 bits": {
    model: { lora: LoraOptions.parse({ r: 4, lora_dropout: 0.25 }), base: () => "q8_0" },
  },
};

for (const [name, made] of Object.entries(CASES_OF_MODELS))
  test(`${name}: measuring changes nothing of training, bit for bit`, async () => {
    const without = await train({}, undefined, made);
    const measured = await train({ eval_steps: 1 }, validation, made);
    assert.deepEqual(measured.bytes, without.bytes);
    assert.deepEqual(
      measured.log.filter((line) => !("eval_loss" in line)),
      without.log,
    );
    assert.deepEqual(
      measured.losses.map(({ step }) => step),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
  });

for (const packing of [false, true])
  test(`with packing ${packing}, eval_loss is the objective's loss of the same rows, and what a scorer makes of them`, async () => {
    const still = {
      learning_rate: 1e-30,
      max_steps: 1,
      per_device_train_batch_size: 11,
      gradient_accumulation_steps: 1,
    };
    const { log, losses, model } = await train({ ...still, packing }, segments);
    const scorer = openScorer(devices.shared!, model, { max_length: 24 });
    const texts = allOf(segments).map(({ tokens, supervised }) => {
      const prompt = supervised.indexOf(true);
      return { prompt: tokens.slice(0, prompt), completion: tokens.slice(prompt) };
    });
    const scores = (await scorer.score(texts)).flatMap(({ logprobs }) => [...logprobs]);
    await scorer.close();
    const mean = -scores.reduce((a, b) => a + b) / scores.length;
    const [{ eval_loss }] = losses as [{ eval_loss: number }];
    assert.ok(Math.abs(eval_loss - log[0]!.loss!) < 1e-6, `${eval_loss}, trained on ${log[0]!.loss}`);
    assert.ok(Math.abs(eval_loss - mean) < 1e-6, `${eval_loss}, scored ${mean}`);
  });

test("kd is measured by the cross-entropy alone", async () => {
  const { given, options } = CASES.kd!;
  const { segments: own, likely } = (await given(devices.shared!, TOY)) as { segments: Segments; likely: object };
  const still = { learning_rate: 1e-30, max_steps: 1, per_device_train_batch_size: 64, max_length: 64, packing: true };
  const made = { trainer: "kd", given: { segments: own, likely } };
  const { log, losses } = await train({ ...options, ...still, gradient_accumulation_steps: 1 }, own, made);
  assert.ok(Math.abs(losses[0]!.eval_loss! - log[0]!.cross_entropy!) < 1e-6);
  assert.ok(Math.abs(losses[0]!.eval_loss! - log[0]!.loss!) > 1e-3);
});

/** Where a run that is to learn by heart what it trains on gets worse at other rows. */
const LEARNING = { max_steps: 30, eval_steps: 3, save_steps: 4, learning_rate: 3e-2, lr_scheduler_type: "constant" };

const least = (losses: readonly Record<string, number>[]) =>
  losses.reduce((best, one) => (one.eval_loss! < best.eval_loss! ? one : best));

test("with load_best_model_at_end the student is that of the least loss, whose checkpoint is kept", async () => {
  const best = await train({ ...LEARNING, load_best_model_at_end: true }, validation);
  const last = await train(LEARNING, validation);
  const { step, eval_loss } = least(best.losses) as { step: number; eval_loss: number };
  assert.ok(step < 30, "the last weights are not the best");
  assert.deepEqual(best.losses, last.losses);
  assert.deepEqual(best.result.best, { step, score: -eval_loss });
  assert.equal(last.result.best, undefined);
  assert.notDeepEqual(best.bytes, last.bytes);
  const until = await train({ ...LEARNING, max_steps: step }, undefined);
  assert.deepEqual(best.bytes, until.bytes, "a run that ends there has the same weights");
  assert.ok(readdirSync(join(best.output, "checkpoints")).includes(`step-${step}`));
});

test("early stopping ends the run after so many measurements without a gain, counted as transformers does", async () => {
  const all = (await train(LEARNING, validation)).losses;
  for (const [patience, threshold] of [
    [1, 0],
    [2, 0],
    [1, 0.05],
  ] as const) {
    let [lowest, counter, end] = [Number.POSITIVE_INFINITY, 0, 30];
    for (const { step, eval_loss } of all as { step: number; eval_loss: number }[]) {
      counter = eval_loss < lowest && Math.abs(eval_loss - lowest) > threshold ? 0 : counter + 1;
      lowest = Math.min(lowest, eval_loss);
      if (counter >= patience) {
        end = step;
        break;
      }
    }
    const options = { early_stopping_patience: patience, early_stopping_threshold: threshold };
    const { result, losses } = await train({ ...LEARNING, ...options }, validation);
    assert.ok(end < 30);
    assert.deepEqual(
      { step: result.step, early: result.early, stopped: result.stopped },
      { step: end, early: true, stopped: false },
    );
    assert.equal(losses.at(-1)!.step, end);
  }
});

/** The same examples; a signal is given while one of them is read for the n-th time. */
function interrupting(of: Segments, times: number, controller: AbortController): Segments {
  let left = times;
  return {
    ...of,
    at(i) {
      if (i === 3 && --left === 0) controller.abort();
      return of.at(i);
    },
  };
}

test("a run that is stopped within a measurement, again and again, ends as the one that was not, bit for bit", async () => {
  const options = { ...LEARNING, load_best_model_at_end: true, early_stopping_patience: 4 };
  const whole = await train(options, validation);
  assert.ok(whole.result.early);
  const output = mkdtempSync(join(tmpdir(), "validation-"));
  let stops = 0;
  for (;;) {
    const controller = new AbortController();
    const measured = interrupting(validation, 2, controller); // each call measures once, and is stopped in the next
    const { result } = await train(options, measured, { signal: controller.signal }, output);
    if (!result.stopped) break;
    stops++;
    assert.ok(controller.signal.aborted && stops < 30);
  }
  assert.ok(stops >= 3, `stopped ${stops} times`);
  const again = await train(options, validation, {}, output);
  assert.deepEqual(again.bytes, whole.bytes);
  assert.deepEqual(again.log, whole.log);
  assert.deepEqual({ ...again.result, done: 0 }, { ...whole.result, done: 0, loss: again.result.loss });
});

test("what was best is compared anew where its checkpoint was not kept", async () => {
  const { output } = await train({ ...LEARNING, max_steps: 20 }, validation);
  const { result, losses } = await train({ ...LEARNING, load_best_model_at_end: true }, validation, {}, output);
  const later = losses.filter(({ step }) => step! >= 20);
  assert.equal(result.best?.step, least(later).step);
  assert.equal(new Set(losses.map(({ step }) => step)).size, losses.length, "no step is logged twice");
});

test("what was best is compared anew where its checkpoint was damaged, which is kept aside", async () => {
  const options = { ...LEARNING, load_best_model_at_end: true };
  const { output, result: before } = await train({ ...options, max_steps: 20 }, validation);
  const best = `step-${before.best!.step}`;
  assert.notEqual(best, "step-20");
  truncateSync(join(output, "checkpoints", best, "optimizer.safetensors"), 9);
  const { result } = await train({ ...options, max_steps: 21 }, validation, {}, output);
  assert.ok(result.best!.step >= 20);
  assert.deepEqual(readdirSync(join(output, "set-aside")), [`checkpoints-${best}-1`]);
});
