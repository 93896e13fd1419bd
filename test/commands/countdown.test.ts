import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { distill } from "../support/cli.ts";
import { scratch } from "../support/students.ts";

const MODEL = resolve("models/SmolLM2-135M-Instruct.Q4_1.gguf");

test(
  "SmolLM2-135M is reinforced at countdown through an adapter: five steps on the CPU",
  { skip: existsSync(MODEL) ? false : `no ${MODEL}: recipes/maths-self.yaml says where it comes from` },
  async () => {
    const output = join(scratch(), "run");
    const { code, err } = await distill(
      ...["train", "recipes/countdown-grpo.yaml", `output=${output}`, "device=cpu", "trainer.max_steps=5"],
      ...["trainer.prompts_per_step=4", "trainer.num_generations=4", "trainer.max_completion_length=48"],
      ...["trainer.max_length=160", "trainer.eval_prompts=null", "trainer.per_device_train_batch_size=1"],
    );
    assert.equal(code, 0, err);
    const lines = readFileSync(join(output, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, number>);
    assert.equal(lines.length, 5);
    for (const line of lines) {
      assert.ok(line.reward! >= 0 && line["completions/mean_length"]! > 1);
      if (!line.skipped) assert.ok(line.logprob_mismatch! < 1e-3 && line.grad_norm! > 0);
    }
    assert.ok(existsSync(join(output, "adapter", "adapter_model.safetensors")));
  },
);
