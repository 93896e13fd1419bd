import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { plainRunFolder } from "../../src/store/run-folder.ts";
import { openStepLog } from "../../src/trainers/step-log.ts";
import { scratch } from "../support/students.ts";

const optimizer = { loss_scale: 64, good_steps: 3, skipped_steps: 1, beta1_power: 0.9, beta2_power: 0.99 };
const report = { ...optimizer, loss: 2, grad_norm: 0.5, metrics: { kl: 0.1 } };
const made = { batches: ["one"], tokens: 100, supervised: 40 };
const looked = { step: 1, made, report, learning_rate: 0.01, training: 3 };

test("a line says all of a step, its rate is of the steps since the last line, and a step without batches has no loss", () => {
  const folder = scratch();
  const source = { steps: 4, stepsPerEpoch: 2 };
  const log = openStepLog(plainRunFolder(folder), source, { from: 0, precision: "fp16", silent: true });
  log.count(100, 2);
  log.say(looked, undefined, true);
  log.count(100, 4);
  log.say({ ...looked, step: 2 }, undefined, false);
  log.count(60, 4);
  const none = { batches: [], tokens: 60, supervised: 0, metrics: { "reward/mean": 1 } };
  log.say({ ...looked, step: 3, made: none }, undefined, true);
  log.write({ step: 3, eval_loss: 1 });
  log.end();
  const lines = readFileSync(join(folder, "metrics.jsonl"), "utf8").trim().split("\n");
  const half = { loss_scale: 64, skipped_steps: 1 };
  const updated = { loss: 2, grad_norm: 0.5, learning_rate: 0.01, tokens_per_s: 50, supervised: 40, kl: 0.1 };
  const skipped = { skipped: true, learning_rate: 0.01, tokens_per_s: 20, supervised: 0 };
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [
      { step: 1, epoch: 0.5, ...updated, ...half },
      { step: 3, epoch: 1.5, ...skipped, "reward/mean": 1, "seconds/training": 3, ...half },
      { step: 3, eval_loss: 1 },
    ],
  );
  assert.deepEqual(log.done, { steps: 3, tokens: 260, seconds: 10 });
});
