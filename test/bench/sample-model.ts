/** @file A random llama of 1.8 M parameters as GGUF, for benchmarks that no model was given to. */

import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gguf } from "../../src/exporters/gguf.ts";
import { writeModel } from "../support/models.ts";

const CONFIG = {
  model_type: "llama",
  vocab_size: 23,
  hidden_size: 192,
  intermediate_size: 512,
  num_hidden_layers: 4,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  max_position_embeddings: 512,
  tie_word_embeddings: true,
};

export async function randomGguf(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "bench-sample-"));
  const source = await writeModel(join(folder, "model"), CONFIG);
  const [file] = await gguf.create({ types: ["f16"] })({ folder: source }, folder);
  return file!.path;
}
