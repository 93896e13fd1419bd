import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { inMemory } from "../../src/data/example-store.ts";
import { createModel, initialWeights } from "../../src/models/load.ts";
import { LoraOptions } from "../../src/models/lora.ts";
import type { ModelOptions, Parameter } from "../../src/models/model.ts";
import { openDevice } from "../../src/runtime/device.ts";
import { plainRunFolder } from "../../src/store/run-folder.ts";
import { trainedPart } from "../../src/student/trained.ts";
import { checkpointSteps } from "../../src/trainers/checkpoint.ts";
import { TrainerOptions } from "../../src/trainers/options.ts";
import { sft } from "../../src/trainers/sft.ts";
import { trainWith } from "../../src/trainers/trainer.ts";
import { segment, TOY } from "../support/training.ts";

// 11 rows, 2 a micro-batch, 3 micro-batches a step: an epoch's second step has 5 rows
const segments = Array.from({ length: 11 }, (_, i) => segment(i + 1, 8 + ((5 * i) % 14), 1 + (i % 4)));
const options = TrainerOptions.parse({
  learning_rate: 1e-2,
  max_steps: 7,
  per_device_train_batch_size: 2,
  gradient_accumulation_steps: 3,
  max_length: 24,
  packing: false,
  save_steps: 2,
  save_total_limit: 9,
  logging_steps: 1,
});

/** What is trained: how the model is made, and what it is that changes. */
const CASES: Record<string, { model: ModelOptions; freeze?: string[]; weights: string }> = {
  "all weights": { model: {}, weights: "model.safetensors" },
  "an adapter with dropout beside weights in 8 bits": {
    model: { lora: LoraOptions.parse({ r: 4, lora_dropout: 0.25 }), base: () => "q8_0" },
    weights: "adapter_model.safetensors",
  },
  "the second layer beside weights in halves": {
    model: { base: ({ name }) => (name.includes("layers.1") ? "float32" : "bfloat16") },
    freeze: ["model.embed*", "model.layers.0.*"],
    weights: "model.safetensors",
  },
};
type Case = (typeof CASES)[string];

/** Train in a folder; gives the tokens of all steps so far. */
async function train(
  { model: made, freeze = [] }: Case,
  output: string,
  residency: "shared" | "device",
): Promise<number> {
  const device = await openDevice("cpu", { residency });
  const model = createModel(TOY, "The test's config", made);
  const weights = (parameters: readonly Parameter[]) => initialWeights({ ...model, parameters }, 3);
  const trained = trainedPart(model, TOY, { freeze });
  const folder = plainRunFolder(output);
  const run = { device, model, trained, weights, folder, fingerprint: "a test" };
  const { tokens } = await trainWith(sft, options, run, { segments: inMemory(segments) });
  await device.close();
  return tokens;
}

/** The bytes of the last checkpoint, and metrics.jsonl without the time that steps took. */
function results({ weights }: Case, output: string) {
  const files = [weights, "optimizer.safetensors", "trainer.json"];
  const metrics = readFileSync(join(output, "metrics.jsonl"), "utf8").trim().split("\n");
  return {
    files: files.map((file) => readFileSync(join(output, "checkpoints", "step-7", file))),
    metrics: metrics.map((line) => ({ ...JSON.parse(line), tokens_per_s: 0 })),
  };
}

for (const [name, what] of Object.entries(CASES))
  test(`${name}: where states stay on a device, training gives what it gives elsewhere, and going on from a checkpoint the same bits`, async () => {
    const [elsewhere, device] = [mkdtempSync(join(tmpdir(), "sft-")), mkdtempSync(join(tmpdir(), "sft-"))];
    const tokens = await train(what, elsewhere, "shared");
    assert.ok(tokens > 0);
    await train(what, device, "device");
    const [expected, found] = [results(what, elsewhere), results(what, device)];
    assert.equal(expected.metrics.length, 7);
    assert.ok(expected.metrics[6].loss < expected.metrics[0].loss);
    for (const [i, { loss, grad_norm }] of expected.metrics.entries()) {
      assert.ok(
        Math.abs(found.metrics[i].loss - loss) < 1e-3 * loss,
        `step ${i + 1}: ${found.metrics[i].loss}, ${loss}`,
      );
      assert.ok(Math.abs(found.metrics[i].grad_norm - grad_norm) < 1e-2 * grad_norm, `step ${i + 1}`);
    }

    for (const step of [6, 7]) rmSync(join(device, "checkpoints", `step-${step}`), { recursive: true });
    assert.deepEqual(checkpointSteps(device), [2, 4]);
    assert.equal(await train(what, device, "device"), tokens);
    assert.deepEqual(results(what, device), found);
  });
