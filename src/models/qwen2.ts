/** @file The HF `qwen2` architecture: Qwen2 and 2.5, and R1's distillations of them. */

import { z } from "zod";
import { swiglu } from "../nn/swiglu.ts";
import { commonKeys, noSlidingWindow, sharesEvenly, size, UNEVEN } from "./config.ts";
import { type Decoder, decoderModel } from "./decoder.ts";
import { decoderConfig, decoderGguf } from "./decoder-gguf.ts";
import { defineFamily } from "./model.ts";
import { LinearRopeScaling, type Rope, ropeOf } from "./rope.ts";

const Config = z
  .looseObject({
    model_type: z.literal("qwen2"),
    ...commonKeys,
    ...noSlidingWindow,
    head_dim: size.nullish(),
    max_position_embeddings: size.default(32_768),
    rope_scaling: LinearRopeScaling.nullish(),
    rope_parameters: LinearRopeScaling.nullish(),
    tie_word_embeddings: z.boolean().default(false),
    hidden_act: z.literal("silu").default("silu"),
    // queries, keys and values have biases whatever a config says
    attention_bias: z.boolean().optional(),
  })
  .refine(sharesEvenly, UNEVEN)
  // llama.cpp reads no other head_dim in this architecture
  .refine(
    (c) => c.num_attention_heads * (c.head_dim ?? Math.floor(c.hidden_size / c.num_attention_heads)) === c.hidden_size,
    {
      path: ["hidden_size"],
      message: "must be num_attention_heads times head_dim",
    },
  );

export const qwen2 = defineFamily({
  config: Config,
  architecture: "Qwen2ForCausalLM",
  create: (config, options) => decoderModel(decoderOf(config).decoder, options),
  gguf(config) {
    const { decoder, rope } = decoderOf(config);
    return decoderGguf("qwen2", decoder, rope, config.max_position_embeddings);
  },
  ggufArchitecture: "qwen2",
  ggufMarks: { has: ["blk.0.attn_q.bias"] },
  fromGguf: decoderConfig,
});

function decoderOf(config: z.output<typeof Config>): { decoder: Decoder; rope: Rope } {
  const { num_attention_heads: num_heads, num_key_value_heads = num_heads } = config;
  const head_dim = config.hidden_size / num_heads;
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
    biases: ["q_proj", "k_proj", "v_proj"],
    feedForward: swiglu,
    attention_scale: head_dim ** -0.5,
    embedding_scale: 1,
  };
  return { decoder, rope };
}
