/** @file Small students in HF folders. */

import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { createModel, initialWeights, type ModelConfig, saveTensors } from "../../src/models/load.ts";
import { TOY } from "./training.ts";

export const TOKENIZER = "data/arithmetic";

/** A folder that is removed when the test file is done. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "distill-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Write a student with random weights that are large enough to have opinions, and the arithmetic recipe's tokenizer. */
export async function writeStudent(folder: string, changes: Partial<ModelConfig> = {}, seed = 3): Promise<ModelConfig> {
  const config: ModelConfig = { ...TOY, initializer_range: 0.3, max_position_embeddings: 512, ...changes };
  const model = createModel(config, "The test's config");
  const weights = new Map([...initialWeights(model, seed)].map((weight) => [weight.name, weight.data]));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join(TOKENIZER, file), join(folder, file));
  await saveTensors(join(folder, "model.safetensors"), model.parameters, async (name) => weights.get(name)!);
  return config;
}
