/** @file Decoders under llama.cpp's names. */

import { float32, type MetadataValue, string, uint32 } from "../formats/gguf.ts";
import { type Decoder, parametersOf } from "./decoder.ts";
import type { GgufKeys, GgufLayout, GgufName } from "./gguf.ts";
import { LARGEST_HEAD, type Rope } from "./rope.ts";

const NAMES: Record<string, string> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

/**
 * The tensors and the keys that every decoder has. `changes` says, by module, what llama.cpp wants otherwise than Hugging
 * Face stores it.
 */
export function decoderGguf(
  architecture: string,
  decoder: Decoder,
  rope: Rope,
  max_position_embeddings: number,
  changes: Record<string, Partial<GgufName>> = {},
): GgufLayout & { metadata: Map<string, MetadataValue> } {
  const { norms } = decoder;
  const names: Record<string, string> = {
    ...NAMES,
    [norms.beforeAttention]: "attn_norm",
    [norms.beforeFeedForward]: "ffn_norm",
    ...(norms.afterAttention && { [norms.afterAttention]: "post_attention_norm" }),
    ...(norms.afterFeedForward && { [norms.afterFeedForward]: "post_ffw_norm" }),
  };
  const tensors = parametersOf(decoder).map(({ name }): GgufName => {
    const [, layer, module, part] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name)!;
    const gguf = `${layer === undefined ? "" : `blk.${layer}.`}${names[module!]}.${part}`;
    const offset = module!.endsWith("norm") && decoder.norm_offset !== 0 ? { offset: decoder.norm_offset } : {};
    return { name, gguf, ...offset, ...changes[module!] };
  });
  const metadata = new Map<string, MetadataValue>([
    ["block_count", uint32(decoder.layers.length)],
    ["context_length", uint32(max_position_embeddings)],
    ["embedding_length", uint32(decoder.hidden_size)],
    ["feed_forward_length", uint32(decoder.intermediate_size)],
    ["attention.head_count", uint32(decoder.num_heads)],
    ["attention.head_count_kv", uint32(decoder.num_key_value_heads)],
    ["attention.key_length", uint32(decoder.head_dim)],
    ["attention.value_length", uint32(decoder.head_dim)],
    ["attention.layer_norm_rms_epsilon", float32(decoder.rms_norm_eps)],
    ["rope.dimension_count", uint32(decoder.head_dim)],
    ["rope.freq_base", float32(rope.theta)],
    ["vocab_size", uint32(decoder.vocab_size)],
  ]);
  if (rope.factor !== 1) {
    metadata.set("rope.scaling.type", string("linear"));
    metadata.set("rope.scaling.factor", float32(rope.factor));
  }
  return { architecture, metadata, tensors, extra: [] };
}

/** The keys of config.json that every decoder has, from a GGUF file. */
export function decoderConfig(keys: GgufKeys) {
  const embedding = keys.tensors.get("token_embd.weight") ?? keys.refuse('it has no tensor "token_embd.weight"');
  const heads = keys.number("attention.head_count");
  const layers = keys.number("block_count");
  if (!(layers <= keys.tensors.size)) keys.refuse(`it claims ${layers} layers, and has ${keys.tensors.size} tensors`);
  const scaling = keys.text("rope.scaling.type") ?? "none";
  if (scaling !== "none" && scaling !== "linear") keys.refuse(`its rope.scaling.type is "${scaling}"`);
  return {
    vocab_size: embedding.shape[0]!,
    hidden_size: keys.number("embedding_length"),
    intermediate_size: keys.number("feed_forward_length"),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keys.number("attention.head_count_kv", heads),
    max_position_embeddings: keys.number("context_length"),
    rms_norm_eps: keys.number("attention.layer_norm_rms_epsilon"),
    rope_theta: keys.number("rope.freq_base", 10_000),
    ...(scaling === "linear" && { rope_scaling: { rope_type: "linear", factor: keys.number("rope.scaling.factor") } }),
    tie_word_embeddings: !keys.tensors.has("output.weight"),
  };
}

/** The size of a head, where it need not be hidden_size / num_attention_heads. */
export function headSize(keys: GgufKeys): number {
  const derived = keys.number("embedding_length") / keys.number("attention.head_count");
  const size = keys.number("attention.key_length", derived);
  return size <= LARGEST_HEAD ? size : keys.refuse(`its heads have a size of ${size}`);
}
