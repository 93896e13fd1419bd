import { cpSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { scratch } from "./students.ts";

export const MODELS = resolve("data/models");
export const STORIES = resolve("data/stories");

/** The quickstart's teacher, on one thread. */
export const STORIES_TEACHER = {
  type: "llama_cpp",
  path: join(MODELS, "stories-teacher-q8_0.gguf"),
  sequences: 8,
  context_size: 512,
  gpu: false,
  threads: 1,
};

type Place = { path: string; output: string; folder: string };

/** A recipe of a tiny student in a folder of its own, with `changes` to its keys. */
export function recipe(changes: Record<string, unknown> = {}): Place {
  const folder = scratch();
  cpSync("data/arithmetic", join(folder, "tokenizer"), { recursive: true });
  const config = {
    model_type: "llama",
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 2,
  };
  return written(folder, {
    name: "toy",
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
  });
}

/** A recipe of the quickstart's student in a folder of its own; a key that is undefined is left out. */
export const storiesRecipe = (keys: Record<string, unknown>, folder = scratch()): Place =>
  written(folder, { name: "small", student: { path: join(MODELS, "stories-base") }, ...keys });

function written(folder: string, keys: Record<string, unknown>): Place {
  const [path, output] = [join(folder, "recipe.yaml"), join(folder, "run")];
  writeFileSync(path, stringify({ output, device: "cpu", threads: 1, ...keys }));
  return { path, output, folder };
}
