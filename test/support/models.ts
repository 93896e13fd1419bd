/** @file Small models as HF folders, what they compute here, and what llama.cpp makes of a GGUF file. */

import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Llama, LlamaModel, Token } from "node-llama-cpp";
import { TOKENIZER_FILES } from "../../src/data/tokenizer.ts";
import { openGguf } from "../../src/formats/gguf-reader.ts";
import { openLogits } from "../../src/generation/logits.ts";
import { createModel, initialWeights, loadWeights, type ModelConfig, saveTensors } from "../../src/models/load.ts";
import type { Device } from "../../src/runtime/device.ts";
import { tensor } from "../../src/runtime/tensor.ts";
import { startLlama } from "../../src/teachers/llama-cpp/start.ts";

export const ARITHMETIC_TOKENIZER = "data/arithmetic";

/** Write a model with random weights, which `change` may change, and a tokenizer as a folder. */
export async function writeModel(
  folder: string,
  config: ModelConfig,
  { seed = 3, tokenizer = ARITHMETIC_TOKENIZER, change = (_: ReadonlyMap<string, Float32Array>): void => {} } = {},
): Promise<string> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  for (const file of TOKENIZER_FILES)
    if (existsSync(join(tokenizer, file))) cpSync(join(tokenizer, file), join(folder, file));
  const model = createModel(config, folder);
  const weights = new Map([...initialWeights(model, seed)].map(({ name, data }) => [name, data]));
  change(weights);
  await saveTensors(join(folder, "model.safetensors"), model.parameters, async (name) => weights.get(name)!);
  return folder;
}

/** A GGUF file in float32 again, with other elements in one tensor: exporters refuse weights that are not finite. */
export function damageGguf(path: string, tensor: string, elements: Record<number, number>, damaged: string): string {
  const file = openGguf(path);
  file.close();
  const bytes = readFileSync(path);
  for (const [at, value] of Object.entries(elements))
    bytes.writeFloatLE(value, file.tensors.get(tensor)!.begin + 4 * Number(at));
  writeFileSync(damaged, bytes);
  return damaged;
}

/** The logits after each token, as the training runtime computes them: [tokens, vocab_size]. */
export async function ourLogits(
  device: Device,
  folder: string,
  config: ModelConfig,
  tokens: number[],
): Promise<Float32Array> {
  const model = createModel(config, folder);
  for (const { name, shape, data } of loadWeights(folder, model))
    await device.write(name, tensor("float32", shape, data));
  const own = openLogits(device, model, folder);
  const logits = await own.logits(tokens);
  await own.close();
  return logits;
}

/** llama.cpp on the CPU, as the product's own classes share it. */
export const testLlama = async (): Promise<Llama> => (await startLlama(false)).llama;

/** The logits after each token as llama.cpp computes them, everything in float32. */
export async function theirLogits(model: LlamaModel, tokens: number[], vocab: number): Promise<Float32Array> {
  const context = await model.createContext({
    threads: 1, // more of them would wait for each other longer than they compute
    contextSize: 256,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
  });
  const want = { generateNext: { logits: true, options: { temperature: 0 } } } as const;
  const output = await context.getSequence().controlledEvaluate(tokens.map((token) => [token as Token, want]));
  const logits = new Float32Array(tokens.length * vocab);
  output.forEach((item, i) => {
    for (const [token, logit] of item!.next.logits!) logits[i * vocab + token] = logit;
  });
  await context.dispose();
  return logits;
}
