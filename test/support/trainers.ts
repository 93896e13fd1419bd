/** @file What each trainer of the registry is tried with: its options, and what a recipe would give it. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../../src/core/random.ts";
import type { Segment } from "../../src/data/batch.ts";
import { inMemory } from "../../src/data/example-store.ts";
import type { Likely } from "../../src/data/likely.ts";
import { createModel, initialWeights, type ModelConfig } from "../../src/models/load.ts";
import type { Model, Parameter } from "../../src/models/model.ts";
import type { Device } from "../../src/runtime/device.ts";
import { plainRunFolder } from "../../src/store/run-folder.ts";
import { trainedPart } from "../../src/student/trained.ts";
import { writeWeight } from "../../src/trainers/checkpoint.ts";
import * as trainers from "../../src/trainers/index.ts";
import { type Course, type TrainingRun, train } from "../../src/trainers/loop.ts";
import type { TrainerOptions } from "../../src/trainers/options.ts";
import type { Materials, Trainer } from "../../src/trainers/trainer.ts";
import { segment, TOY } from "./training.ts";

/** Five examples of 4 to 20 tokens, and as many prompts. */
const SEGMENTS = [segment(1, 20, 5), segment(2, 9, 3), segment(3, 14, 1), segment(4, 5, 2), segment(5, 11, 4)];
const PROMPTS = SEGMENTS.map(({ tokens }, i) => ({
  id: `p${i}`,
  text: "",
  prompt: `question ${i}`,
  number: i + 1,
  tokens: tokens.slice(0, 2 + i),
}));

const K = 3;

/** Made up, the same for the same tokens: three tokens and the rest. */
function likelyIn({ tokens, supervised }: Segment): Likely {
  const learned = tokens.filter((_, i) => i > 0 && supervised[i]);
  const random = seededRandom(tokens.reduce((sum, token) => 31 * sum + token, 7) % 1e6);
  const p = learned.map(() => {
    const [a, b, c, rest] = Array.from({ length: 4 }, () => 0.1 + random.uniform()) as [number, number, number, number];
    const sum = a + b + c + rest;
    return [a, b, c, rest].map((x) => Math.log(x / sum));
  });
  return {
    ids: Int32Array.from(learned.flatMap((token) => [token, (token + 1) % 40, (token + 7) % 40])),
    logprobs: Float32Array.from(p.flatMap((row) => row.slice(0, K))),
    tail: Float32Array.from(p, (row) => row[K]!),
  };
}

type Given = Omit<Materials, keyof TrainingRun>;

const dataset: Given = { segments: inMemory(SEGMENTS) };
const written: Given = { ...dataset, prompts: PROMPTS, asked: { stops: [7, 21], decode: (ids) => ids.join(" ") } };

/** A model of other weights beside the student. */
async function teacher(device: Device, config: ModelConfig): Promise<Model> {
  const model = createModel(config, "The test's teacher", { scope: "teacher/" });
  for (const weight of initialWeights({ ...model, initializer_range: 0.3 }, 99))
    await writeWeight(device, model, weight);
  return model;
}

type Case = {
  trainer: keyof typeof trainers;
  options?: object;
  given(device: Device, config: ModelConfig): Given | Promise<Given>;
};

const onPolicy = {
  prompts: { path: "-" },
  prompts_per_step: PROMPTS.length,
  max_new_tokens: 8,
  beta: 0.5,
  temperature: 1,
};

/** A made-up rule: the share of even tokens. */
const judge: Given["judge"] = async (samples) =>
  samples.map(({ token_ids }) => {
    const reward = token_ids.filter((token) => token % 2 === 0).length / token_ids.length;
    return { rewards: { even: reward }, reward, verdict: "unknown", extracted: null, reason: "", accepted: true };
  });

const reinforced = { prompts: { path: "-" }, prompts_per_step: 3, num_generations: 4, max_completion_length: 8 };

/** The student's own weights, again. */
async function reference(device: Device, config: ModelConfig): Promise<Model> {
  const model = createModel(config, "The test's reference", { scope: "reference/" });
  for (const weight of initialWeights({ ...model, initializer_range: 0.3 }, 3))
    await writeWeight(device, model, weight);
  return model;
}

/** Each way in which a trainer can be made. */
export const CASES: Record<string, Case> = {
  sft: { trainer: "sft", given: () => dataset },
  kd: {
    trainer: "kd",
    options: { top_logprobs: K, alpha: 0.3 },
    given: () => ({ ...dataset, likely: { of: (i) => likelyIn(SEGMENTS[i]!) } }),
  },
  "gkd beside its teacher": {
    trainer: "gkd",
    options: { ...onPolicy, lmbda: 1 },
    given: async (device, config) => ({ ...written, teacher: { model: await teacher(device, config) } }),
  },
  "gkd with a teacher that scores, and a dataset": {
    trainer: "gkd",
    options: { ...onPolicy, lmbda: 0.5, beta: 1 },
    given: () => ({
      ...written,
      teacher: { score: async (segments) => segments.map(likelyIn), top_logprobs: K },
    }),
  },
  grpo: { trainer: "grpo", options: reinforced, given: () => ({ ...written, judge }) },
  "grpo near its start, with a moving baseline and two updates a generation": {
    trainer: "grpo",
    options: { ...reinforced, beta: 0.5, baseline: "moving", steps_per_generation: 2, loss_type: "grpo" },
    given: (device, config) => ({ ...written, judge, reference: () => reference(device, config) }),
  },
};

export const trainerIn = ({ trainer }: Case): Trainer => (trainers as Record<string, Trainer>)[trainer]!;

export const optionsOf = (one: Case, more: object = {}): TrainerOptions =>
  trainerIn(one).options.parse({
    max_length: 64,
    learning_rate: 1e-2,
    per_device_train_batch_size: 16,
    logging_steps: 1,
    ...one.options,
    ...more,
  }) as TrainerOptions;

/** A run of the toy and what the trainer makes of it. Its weights are on the device, as they are at the start. */
export async function begin(
  one: Case,
  device: Device,
  options: TrainerOptions,
  {
    output = mkdtempSync(join(tmpdir(), "trainer-")),
    config = TOY,
    signal,
    key,
  }: { output?: string; config?: ModelConfig; signal?: AbortSignal; key?: string } = {},
  // biome-ignore lint/suspicious/noExplicitAny: only a trainer's own objective reads its batches.
): Promise<{ run: TrainingRun; course: Course<any>; model: Model }> {
  const model = createModel(config, "The test's student");
  const weights = (parameters: readonly Parameter[]) =>
    initialWeights({ ...model, parameters, initializer_range: 0.3 }, 3);
  for (const weight of weights(model.parameters)) await writeWeight(device, model, weight);
  const folder = plainRunFolder(output);
  const trained = trainedPart(model, config);
  const run = { device, model, trained, weights, folder, fingerprint: "a test", key, silent: true, signal };
  const course = await trainerIn(one).create(options)({ ...run, ...(await one.given(device, config)) });
  return { run, course, model };
}

/** Train from the newest checkpoint in `output`, if there is one. */
export async function trainIn(
  one: Case,
  device: Device,
  options: TrainerOptions,
  output: string,
  signal?: AbortSignal,
  key?: string,
) {
  const { run, course } = await begin(one, device, options, {
    output,
    ...(signal ? { signal } : {}),
    ...(key ? { key } : {}),
  });
  return train(run, course, options);
}
