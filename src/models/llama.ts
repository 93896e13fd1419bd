/** @file The HF `llama` architecture: Llama 2 and 3, SmolLM2 and many others. */

import { z } from "zod";
import { swiglu } from "../nn/swiglu.ts";
import { commonKeys, sharesEvenly, size, UNEVEN } from "./config.ts";
import { type Decoder, decoderModel } from "./decoder.ts";
import { decoderGguf } from "./decoder-gguf.ts";
import type { GgufLayout } from "./gguf.ts";
import { defineFamily } from "./model.ts";
import { type Rope, RopeScaling, ropeOf } from "./rope.ts";

const Config = z
  .looseObject({
    model_type: z.literal("llama"),
    ...commonKeys,
    head_dim: size.nullish(),
    max_position_embeddings: size.default(2048),
    rope_scaling: RopeScaling.nullish(),
    rope_parameters: RopeScaling.nullish(),
    tie_word_embeddings: z.boolean().default(false),
    hidden_act: z.literal("silu").default("silu"),
    mlp_bias: z.literal(false).default(false),
  })
  .refine(sharesEvenly, UNEVEN)
  .refine((c) => c.head_dim || c.hidden_size % c.num_attention_heads === 0, {
    path: ["hidden_size"],
    message: "must be a multiple of num_attention_heads where head_dim is not given",
  });

export const llama = defineFamily({
  config: Config,
  architecture: "LlamaForCausalLM",
  create: (config, dtype) => decoderModel(decoderOf(config).decoder, dtype),
  gguf(config) {
    const { decoder, rope } = decoderOf(config);
    // llama.cpp rotates neighbours in this architecture, so rows of queries and keys are reordered
    const layout = decoderGguf("llama", decoder, rope, config.max_position_embeddings, {
      "self_attn.q_proj": { interleavedHeads: decoder.num_heads },
      "self_attn.k_proj": { interleavedHeads: decoder.num_key_value_heads },
    });
    return { ...layout, extra: rope.factor === 1 ? frequencyFactors(rope) : [] };
  },
});

function decoderOf(config: z.output<typeof Config>): { decoder: Decoder; rope: Rope } {
  const { num_attention_heads: num_heads, num_key_value_heads = num_heads } = config;
  const head_dim = config.head_dim ?? config.hidden_size / num_heads;
  const rope = ropeOf(config, head_dim);
  const decoder: Decoder = {
    ...config,
    num_heads,
    num_key_value_heads,
    head_dim,
    layers: Array.from({ length: config.num_hidden_layers }, () => ({ frequencies: rope.scaled })),
    norms: { beforeAttention: "input_layernorm", beforeFeedForward: "post_attention_layernorm" },
    norm_offset: 0,
    head_norms: false,
    biases: [],
    feedForward: swiglu,
    attention_scale: head_dim ** -0.5,
    embedding_scale: 1,
  };
  return { decoder, rope };
}

/** Scaled frequencies: what llama.cpp divides each of the plain ones by. */
function frequencyFactors({ plain, scaled }: Rope): GgufLayout["extra"] {
  const data = Float32Array.from(plain, (frequency, i) => frequency / scaled[i]!);
  return data.every((factor) => factor === 1) ? [] : [{ gguf: "rope_freqs.weight", shape: [data.length], data }];
}
