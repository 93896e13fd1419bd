import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { distill } from "../support/cli.ts";
import { extent } from "../support/extent.ts";
import { scratch } from "../support/students.ts";

const MODEL = resolve("models/SmolLM2-135M-Instruct.Q4_1.gguf");

const STEPS = extent(2, 5);
/** Prompts of a step, and the answers to each. */
const EACH = extent(2, 4);
/** Five steps of it may win nothing: that longer answers are worth less makes every step an update. */
const REWARDS = "rewards=[{type: countdown}, {type: soft_overlong, max_completion_length: 96, cache: 96}]";

test(
  `SmolLM2-135M is reinforced at countdown through an adapter: ${STEPS} steps on the CPU`,
  { skip: existsSync(MODEL) ? false : `no ${MODEL}: recipes/maths-self.yaml says where it comes from` },
  async () => {
    const output = join(scratch(), "run");
    const { code, err } = await distill(
      ...["train", "recipes/countdown-grpo.yaml", `output=${output}`, "device=cpu", "threads=1", REWARDS],
      ...[`trainer.max_steps=${STEPS}`, `trainer.prompts_per_step=${EACH}`, `trainer.num_generations=${EACH}`],
      ...["trainer.prompts.rows=64", `trainer.max_completion_length=${extent(24, 48)}`, "trainer.max_length=160"],
      ...["trainer.eval_prompts=null", "trainer.per_device_train_batch_size=1"],
    );
    assert.equal(code, 0, err);
    const lines = readFileSync(join(output, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, number>);
    assert.equal(lines.length, STEPS);
    for (const line of lines) {
      assert.ok(line["rewards/countdown"]! >= 0 && line["completions/mean_length"]! > 1);
      assert.ok(!line.skipped && line.logprob_mismatch! < 1e-3 && line.grad_norm! > 0);
    }
    assert.ok(existsSync(join(output, "adapter", "adapter_model.safetensors")));
  },
);
