import { cpSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";

/** A recipe of a tiny student in a folder of its own, with `changes` to its keys. */
export function recipe(changes: Record<string, unknown> = {}): { path: string; output: string; folder: string } {
  const folder = mkdtempSync(join(tmpdir(), "train-"));
  cpSync("data/arithmetic", join(folder, "tokenizer"), { recursive: true });
  const output = join(folder, "run");
  const config = {
    model_type: "llama",
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
  };
  const whole = {
    name: "toy",
    output,
    device: "cpu",
    threads: 1,
    student: { config, seed: 1 },
    tokenizer: "tokenizer",
    dataset: { generate: { type: "arithmetic" }, rows: 200 },
    trainer: {
      max_length: 128,
      max_steps: 24,
      save_steps: 4,
      logging_steps: 1,
      gradient_accumulation_steps: 2,
      per_device_train_batch_size: 2,
      learning_rate: 0.003,
    },
    ...changes,
  };
  const path = join(folder, "recipe.yaml");
  writeFileSync(path, stringify(whole));
  return { path, output, folder };
}
