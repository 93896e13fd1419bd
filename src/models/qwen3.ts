/** @file The HF `qwen3` architecture: Qwen3's dense models. */

import { z } from "zod";
import { swiglu } from "../nn/swiglu.ts";
import { commonKeys, noSlidingWindow, sharesEvenly, size, UNEVEN } from "./config.ts";
import { type Decoder, decoderModel } from "./decoder.ts";
import { decoderConfig, decoderGguf, headSize } from "./decoder-gguf.ts";
import { defineFamily } from "./model.ts";
import { LinearRopeScaling, type Rope, ropeOf } from "./rope.ts";

const Config = z
  .looseObject({
    model_type: z.literal("qwen3"),
    ...commonKeys,
    ...noSlidingWindow,
    head_dim: size.default(128),
    max_position_embeddings: size.default(32_768),
    rope_scaling: LinearRopeScaling.nullish(),
    rope_parameters: LinearRopeScaling.nullish(),
    tie_word_embeddings: z.boolean().default(false),
    hidden_act: z.literal("silu").default("silu"),
  })
  .refine(sharesEvenly, UNEVEN);

export const qwen3 = defineFamily({
  config: Config,
  architecture: "Qwen3ForCausalLM",
  create: (config, options) => decoderModel(decoderOf(config).decoder, options),
  gguf(config) {
    const { decoder, rope } = decoderOf(config);
    return decoderGguf("qwen3", decoder, rope, config.max_position_embeddings);
  },
  ggufArchitecture: "qwen3",
  ggufMarks: { has: ["blk.0.attn_q_norm.weight"] },
  fromGguf: (keys) => ({ ...decoderConfig(keys), head_dim: headSize(keys) }),
});

function decoderOf(config: z.output<typeof Config>): { decoder: Decoder; rope: Rope } {
  const { num_attention_heads: num_heads, num_key_value_heads = num_heads, head_dim } = config;
  const rope = ropeOf(config, head_dim);
  const decoder: Decoder = {
    ...config,
    num_heads,
    num_key_value_heads,
    layers: Array.from({ length: config.num_hidden_layers }, () => ({ frequencies: rope.scaled })),
    norms: { beforeAttention: "input_layernorm", beforeFeedForward: "post_attention_layernorm" },
    norm_offset: 0,
    head_norms: true,
    biases: [],
    feedForward: swiglu,
    attention_scale: head_dim ** -0.5,
    embedding_scale: 1,
  };
  return { decoder, rope };
}
