/** @file The HF `llama` architecture: Llama 2 and 3, SmolLM2 and many others. */

import { z } from "zod";
import { swiglu } from "../nn/swiglu.ts";
import { commonKeys, sharesEvenly, size, UNEVEN } from "./config.ts";
import { type Decoder, decoderModel } from "./decoder.ts";
import { decoderConfig, decoderGguf, headSize } from "./decoder-gguf.ts";
import type { GgufKeys, GgufLayout } from "./gguf.ts";
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
  create: (config, options) => decoderModel(decoderOf(config).decoder, options),
  gguf(config) {
    const { decoder, rope } = decoderOf(config);
    // llama.cpp rotates neighbours in this architecture, so rows of queries and keys are reordered
    const layout = decoderGguf("llama", decoder, rope, config.max_position_embeddings, {
      "self_attn.q_proj": { interleavedHeads: decoder.num_heads },
      "self_attn.k_proj": { interleavedHeads: decoder.num_key_value_heads },
    });
    return { ...layout, extra: rope.factor === 1 ? frequencyFactors(rope) : [] };
  },
  ggufArchitecture: "llama",
  ggufMarks: { lacks: ["blk.0.attn_q.bias", "blk.0.ffn_gate_inp.weight"] }, // llama.cpp has it with biases and with experts too
  fromGguf(keys) {
    const config = decoderConfig(keys);
    const head_dim = headSize(keys);
    if (keys.number("rope.dimension_count", head_dim) !== head_dim) keys.refuse("only a part of each head is rotated");
    const factors = keys.tensors.has(FACTORS) && keys.read(FACTORS);
    if (factors && factors.length !== head_dim / 2)
      keys.refuse(`its ${FACTORS} are ${factors.length}, and heads have a size of ${head_dim}`);
    return { ...config, head_dim, ...(factors && { rope_scaling: llama3Scaling(factors, config.rope_theta, keys) }) };
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

const FACTORS = "rope_freqs.weight";

/** Scaled frequencies: what llama.cpp divides each of the plain ones by. */
function frequencyFactors({ plain, scaled }: Rope): GgufLayout["extra"] {
  const data = Float32Array.from(plain, (frequency, i) => frequency / scaled[i]!);
  return data.every((factor) => factor === 1) ? [] : [{ gguf: FACTORS, shape: [data.length], data }];
}

/** The scaling that makes these factors: a file keeps them alone, and Llama 3.1 and 3.2 were all made with one or two of them. */
function llama3Scaling(factors: Float32Array, rope_theta: number, { refuse }: GgufKeys) {
  const scaling = {
    rope_type: "llama3" as const,
    factor: Math.max(...factors),
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const { plain, scaled } = ropeOf({ rope_theta, rope_scaling: scaling }, 2 * factors.length);
  if (!plain.every((frequency, i) => Math.abs(frequency / scaled[i]! / factors[i]! - 1) <= 1e-4))
    return refuse(`its ${FACTORS} are not those of Llama 3's scaling from 8192 positions`);
  return scaling;
}
