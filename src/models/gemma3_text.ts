/** @file The HF `gemma3_text` architecture: Gemma 3's language models. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { float32, uint32 } from "../formats/gguf.ts";
import { geglu } from "../nn/geglu.ts";
import { commonKeys, sharesEvenly, size, UNEVEN } from "./config.ts";
import { type Decoder, decoderModel } from "./decoder.ts";
import { decoderConfig, decoderGguf, headSize } from "./decoder-gguf.ts";
import { defineFamily } from "./model.ts";
import { LinearRopeScaling, type Rope, ropeOf } from "./rope.ts";

const Kind = z.enum(["sliding_attention", "full_attention"]);

const Config = z
  .looseObject({
    model_type: z.literal("gemma3_text"),
    ...commonKeys,
    head_dim: size.default(256),
    max_position_embeddings: size.default(131_072),
    rope_local_base_freq: z.number().positive().optional(),
    rope_scaling: LinearRopeScaling.nullish(),
    rope_parameters: z
      .looseObject({ full_attention: LinearRopeScaling.nullish(), sliding_attention: LinearRopeScaling.nullish() })
      .nullish(),
    tie_word_embeddings: z
      .literal(true, "must be true, and the weights have no lm_head.weight that differs from the embedding")
      .default(true),
    hidden_activation: z.literal("gelu_pytorch_tanh").default("gelu_pytorch_tanh"),
    query_pre_attn_scalar: z.number().positive().default(256),
    sliding_window: size.default(4096),
    sliding_window_pattern: size.default(6),
    layer_types: z.array(Kind).nullish(),
    final_logit_softcapping: z.null().optional(),
    attn_logit_softcapping: z.null().optional(),
    use_bidirectional_attention: z.literal(false).nullish(),
  })
  .refine(sharesEvenly, UNEVEN)
  .refine((c) => !c.layer_types || c.layer_types.length === c.num_hidden_layers, {
    path: ["layer_types"],
    message: "must name a type for each of num_hidden_layers",
  })
  .refine((c) => (c.rope_parameters?.sliding_attention?.rope_type ?? "default") === "default", {
    path: ["rope_parameters", "sliding_attention"],
    message: 'must have the rope_type "default"',
  });
type Config = z.output<typeof Config>;

export const gemma3_text = defineFamily({
  config: Config,
  architecture: "Gemma3ForCausalLM",
  create: (config, options) => decoderModel(decoderOf(config).decoder, options),
  gguf(config) {
    const { decoder, rope, local } = decoderOf(config);
    // llama.cpp reads no scale of the scores but derives it; what is missing is multiplied into the norm of queries
    const derived = decoder.layers.length === 62 ? decoder.hidden_size / decoder.num_heads : decoder.head_dim;
    const scale = decoder.attention_scale * Math.sqrt(derived);
    const layout = decoderGguf("gemma3", decoder, rope, config.max_position_embeddings, {
      ...(scale !== 1 && { "self_attn.q_norm": { scale } }),
    });
    layout.metadata.set("attention.sliding_window", uint32(config.sliding_window));
    layout.metadata.set("attention.sliding_window_pattern", uint32(periodOf(layerTypesOf(config))));
    layout.metadata.set("rope.freq_base_swa", float32(local.theta));
    return layout;
  },
  ggufArchitecture: "gemma3",
  ggufMarks: { has: ["blk.0.attn_q_norm.weight", "blk.0.post_ffw_norm.weight"] },
  fromGguf(keys) {
    const head_dim = headSize(keys);
    const { num_hidden_layers, num_attention_heads, hidden_size, rope_theta, rope_scaling, ...rest } =
      decoderConfig(keys);
    if (!rest.tie_word_embeddings) keys.refuse("it has an output matrix of its own");
    const period = keys.number("attention.sliding_window_pattern", 6);
    return {
      ...rest,
      hidden_size,
      num_hidden_layers,
      num_attention_heads,
      head_dim,
      rope_theta,
      rope_local_base_freq: keys.number("rope.freq_base_swa", 10_000),
      ...(rope_scaling && { rope_scaling }),
      query_pre_attn_scalar: num_hidden_layers === 62 ? hidden_size / num_attention_heads : head_dim,
      sliding_window: keys.number("attention.sliding_window"),
      layer_types: Array.from({ length: num_hidden_layers }, (_, i) => typeAt(i, period)),
    };
  },
});

function decoderOf(config: Config): { decoder: Decoder; rope: Rope; local: Rope } {
  const { num_attention_heads: num_heads, num_key_value_heads = num_heads, head_dim } = config;
  const { rope_theta, rope_local_base_freq, rope_scaling, rope_parameters: ropes } = config;
  const rope = ropeOf({ rope_theta, rope_scaling, rope_parameters: ropes?.full_attention }, head_dim, 1_000_000);
  const local = ropeOf({ rope_theta: rope_local_base_freq, rope_parameters: ropes?.sliding_attention }, head_dim);
  const decoder: Decoder = {
    ...config,
    num_heads,
    num_key_value_heads,
    layers: layerTypesOf(config).map((type) =>
      type === "sliding_attention"
        ? { frequencies: local.scaled, window: config.sliding_window }
        : { frequencies: rope.scaled },
    ),
    norms: {
      beforeAttention: "input_layernorm",
      afterAttention: "post_attention_layernorm",
      beforeFeedForward: "pre_feedforward_layernorm",
      afterFeedForward: "post_feedforward_layernorm",
    },
    norm_offset: 1,
    head_norms: true,
    biases: [],
    feedForward: geglu,
    attention_scale: config.query_pre_attn_scalar ** -0.5,
    embedding_scale: Math.sqrt(config.hidden_size),
  };
  return { decoder, rope, local };
}

const layerTypesOf = ({ layer_types, num_hidden_layers, sliding_window_pattern }: Config) =>
  layer_types ?? Array.from({ length: num_hidden_layers }, (_, i) => typeAt(i, sliding_window_pattern));

const typeAt = (i: number, period: number): z.output<typeof Kind> =>
  (i + 1) % period === 0 ? "full_attention" : "sliding_attention";

/** Which layer in how many sees all, as llama.cpp counts; 0 where none does. */
function periodOf(types: readonly z.output<typeof Kind>[]): number {
  const period = types.indexOf("full_attention") + 1;
  if (period > 0 && types.some((type, i) => type !== typeAt(i, period)))
    throw new DistillError(
      `llama.cpp runs a gemma3_text model only where every n-th layer has full attention, and its layer_types are ${types.join(", ")}. Export onnx.`,
    );
  return period;
}
