/** @file The shapes that training is measured on. */

import type { ModelConfig } from "../../src/models/load.ts";

export type BenchShape = {
  config: ModelConfig;
  rows: number;
  length: number;
  rematerialize?: boolean;
  /** Train an adapter of this rank beside all linear layers. */
  lora?: { r: number; lora_alpha: number };
  /** Steps that are timed as one round. */
  steps: number;
};

const base = { model_type: "llama", rms_norm_eps: 1e-5, rope_theta: 10000, tie_word_embeddings: true };

const smollm2: ModelConfig = {
  ...base,
  vocab_size: 49152,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  max_position_embeddings: 8192,
};

export const SHAPES: Record<string, BenchShape> = {
  "0.8M": {
    config: {
      ...base,
      vocab_size: 64,
      hidden_size: 128,
      intermediate_size: 352,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      num_key_value_heads: 4,
    },
    rows: 16,
    length: 128,
    steps: 20,
  },
  "5.5M": {
    config: {
      ...base,
      vocab_size: 4096,
      hidden_size: 256,
      intermediate_size: 704,
      num_hidden_layers: 6,
      num_attention_heads: 8,
      num_key_value_heads: 4,
    },
    rows: 8,
    length: 256,
    steps: 4,
  },
  "SmolLM2-135M": { config: smollm2, rows: 2, length: 1024, steps: 1 },
  "SmolLM2-135M LoRA r16": { config: smollm2, rows: 2, length: 1024, lora: { r: 16, lora_alpha: 32 }, steps: 1 },
  "SmolLM2-135M rematerialised": { config: smollm2, rows: 2, length: 1024, rematerialize: true, steps: 1 },
  "SmolLM2-135M rows of 4096": { config: smollm2, rows: 1, length: 4096, steps: 1 },
};

/** Shapes that are measured on GPUs. */
export const GPU_SHAPES: Record<string, BenchShape> = {
  "SmolLM2-135M": { config: smollm2, rows: 4, length: 1024, steps: 10 },
  "Qwen2.5-0.5B": {
    config: {
      model_type: "qwen2",
      rms_norm_eps: 1e-6,
      rope_theta: 1e6,
      tie_word_embeddings: true,
      vocab_size: 151936,
      hidden_size: 896,
      intermediate_size: 4864,
      num_hidden_layers: 24,
      num_attention_heads: 14,
      num_key_value_heads: 2,
      max_position_embeddings: 32768,
    },
    rows: 2,
    length: 1024,
    steps: 10,
  },
};

/** Trained with an adapter: too large to be trained whole beside its moments on many cards. */
GPU_SHAPES["Qwen2.5-1.5B LoRA r16"] = {
  ...GPU_SHAPES["Qwen2.5-0.5B"]!,
  config: {
    ...GPU_SHAPES["Qwen2.5-0.5B"]!.config,
    hidden_size: 1536,
    intermediate_size: 8960,
    num_hidden_layers: 28,
    num_attention_heads: 12,
  },
  lora: { r: 16, lora_alpha: 32 },
};

/** The same in small, for software that pretends to be a GPU. */
export const TOY_SHAPES: Record<string, BenchShape> = {
  "toy Llama": {
    config: {
      ...smollm2,
      vocab_size: 64,
      hidden_size: 64,
      intermediate_size: 96,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
    },
    rows: 2,
    length: 32,
    steps: 3,
  },
  "toy Qwen2": {
    config: {
      ...GPU_SHAPES["Qwen2.5-0.5B"]!.config,
      vocab_size: 64,
      hidden_size: 64,
      intermediate_size: 96,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 2,
    },
    rows: 2,
    length: 32,
    steps: 3,
  },
};

/**
 * Operations of a training step, of `params` weights of which `trained` are trained: 6 for each weight and token, 4 where it is
 * frozen; causal attention multiplies half of each length × length product, 3 times 2 of them a head.
 */
export function flopsOf({ config, rows, length }: BenchShape, params: number, trained: number): number {
  const passes = trained === params ? 6 * params : 4 * params + 6 * trained;
  const [width, layers] = [config.hidden_size as number, config.num_hidden_layers as number];
  return rows * length * (passes + 6 * layers * width * length);
}
