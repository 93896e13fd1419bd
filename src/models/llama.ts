/** @file The HF `llama` architecture: Llama 2 and 3, SmolLM2 and many others. */

import { z } from "zod";
import { float32, type MetadataValue, uint32 } from "../formats/gguf.ts";
import { input, type Value } from "../graph/value.ts";
import { attention } from "../nn/attention.ts";
import { type Cache, cachedAttention, cacheMask } from "../nn/cached-attention.ts";
import { linear } from "../nn/linear.ts";
import { rotary, rotaryTables, rotate, rotationAt } from "../nn/rotary.ts";
import { swiglu } from "../nn/swiglu.ts";
import { checkpoint } from "../ops/checkpoint.ts";
import { Add, Gather, SimplifiedLayerNormalization } from "../ops/index.ts";
import type { GgufLayout } from "./gguf.ts";
import { defineFamily, type Model, type Parameter, type Tokens } from "./model.ts";
import { llama3Frequencies, RopeScaling, rotaryFrequencies } from "./rope.ts";

const size = z.int().positive();

const Config = z
  .looseObject({
    model_type: z.literal("llama"),
    vocab_size: size,
    hidden_size: size,
    intermediate_size: size,
    num_hidden_layers: size,
    num_attention_heads: size,
    num_key_value_heads: size.optional(),
    head_dim: size.nullish(),
    max_position_embeddings: size.default(2048),
    rms_norm_eps: z.number().positive().default(1e-6),
    rope_theta: z.number().positive().optional(),
    rope_scaling: RopeScaling.nullish(),
    rope_parameters: RopeScaling.nullish(),
    tie_word_embeddings: z.boolean().default(false),
    initializer_range: z.number().positive().default(0.02),
    hidden_act: z.literal("silu").default("silu"),
    attention_bias: z.literal(false).default(false),
    mlp_bias: z.literal(false).default(false),
  })
  .refine((c) => c.num_attention_heads % (c.num_key_value_heads ?? c.num_attention_heads) === 0, {
    path: ["num_key_value_heads"],
    message: "must divide num_attention_heads",
  })
  .refine((c) => c.head_dim || c.hidden_size % c.num_attention_heads === 0, {
    path: ["hidden_size"],
    message: "must be a multiple of num_attention_heads where head_dim is not given",
  });

export const llama = defineFamily({
  config: Config,
  create(config, dtype = "float32") {
    const layout = layoutOf(config);
    const parameters = parametersOf(config, layout);
    const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
    const weights = new Map<string, Value>();
    const weight = (name: string): Value => {
      const known = weights.get(name) ?? input(name, dtype, shapes.get(name)!);
      weights.set(name, known);
      return known;
    };
    const norm = (x: Value, name: string) =>
      SimplifiedLayerNormalization(x, weight(`${name}.weight`), { epsilon: config.rms_norm_eps });
    const mlp = (x: Value, prefix: string): Value => {
      const [gate, up, down] = ["gate_proj", "up_proj", "down_proj"].map((name) => weight(`${prefix}.${name}.weight`));
      return swiglu(x, gate!, up!, down!);
    };
    const projections = (x: Value, prefix: string) =>
      ["q_proj", "k_proj", "v_proj"].map((name) => linear(x, weight(`${prefix}.${name}.weight`)));
    return {
      parameters,
      initializer_range: config.initializer_range,
      weight,
      head: weight(config.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight"),
      hidden(tokens, { rematerialize = false } = {}) {
        const rope = rotaryTables(tokens.length, frequenciesOf(config, layout.head_dim).scaled, dtype);
        const layer = (prefix: string) => (x: Value) => {
          const attended = Add(x, selfAttention(norm(x, `${prefix}.input_layernorm`), `${prefix}.self_attn`, tokens));
          return Add(attended, mlp(norm(attended, `${prefix}.post_attention_layernorm`), `${prefix}.mlp`));
        };
        const selfAttention = (
          x: Value,
          prefix: string,
          { positions, segmentStarts, keyStarts, ...rest }: Tokens,
        ): Value => {
          const [q, k, v] = projections(x, prefix);
          const shape = { rows: rest.rows, length: rest.length, block: rest.block, ...layout };
          const heads = attention(
            rotary(q!, positions, rope),
            rotary(k!, positions, rope),
            v!,
            segmentStarts,
            ...keyStarts,
            shape,
          );
          return linear(heads, weight(`${prefix}.o_proj.weight`));
        };
        let x = Gather(weight("model.embed_tokens.weight"), tokens.input_ids);
        for (let i = 0; i < config.num_hidden_layers; i++) {
          const f = layer(`model.layers.${i}`);
          x = rematerialize ? checkpoint(f, x) : f(x);
        }
        return norm(x, "model.norm");
      },
      cache: { layers: config.num_hidden_layers, ...layout },
      decode({ input_ids, attention_mask, position_ids, past }) {
        const { num_heads, num_key_value_heads } = layout;
        const rope = rotationAt(position_ids, frequenciesOf(config, layout.head_dim).scaled, dtype);
        const mask = cacheMask(attention_mask, past[0]!, input_ids.shape[1]!, layout, dtype);
        const present: Cache[] = [];
        let x = Gather(weight("model.embed_tokens.weight"), input_ids);
        for (const [i, old] of past.entries()) {
          const prefix = `model.layers.${i}`;
          const [q, k, v] = projections(norm(x, `${prefix}.input_layernorm`), `${prefix}.self_attn`);
          const [turnedQ, turnedK] = [rotate(q!, rope, num_heads), rotate(k!, rope, num_key_value_heads)];
          const attention = cachedAttention(turnedQ, turnedK, v!, old, mask, layout);
          present.push(attention.present);
          x = Add(x, linear(attention.output, weight(`${prefix}.self_attn.o_proj.weight`)));
          x = Add(x, mlp(norm(x, `${prefix}.post_attention_layernorm`), `${prefix}.mlp`));
        }
        return { hidden: norm(x, "model.norm"), present };
      },
    } satisfies Model;
  },
  gguf(config) {
    const layout = layoutOf(config);
    return {
      architecture: "llama",
      metadata: ggufMetadata(config, layout),
      tensors: ggufTensors(config, layout),
      extra: ggufFrequencies(config, layout),
    };
  },
});

type Config = z.output<typeof Config>;
type Layout = { num_heads: number; num_key_value_heads: number; head_dim: number };

function layoutOf(config: Config): Layout {
  return {
    num_heads: config.num_attention_heads,
    num_key_value_heads: config.num_key_value_heads ?? config.num_attention_heads,
    head_dim: config.head_dim ?? config.hidden_size / config.num_attention_heads,
  };
}

function parametersOf(config: Config, { num_heads, num_key_value_heads, head_dim }: Layout): Parameter[] {
  const { hidden_size: width, intermediate_size: inner } = config;
  const matrix = (name: string, out: number, from: number): Parameter => ({
    name: `${name}.weight`,
    shape: [out, from],
    init: "normal",
  });
  const norm = (name: string): Parameter => ({ name: `${name}.weight`, shape: [width], init: "ones" });
  const layers = Array.from({ length: config.num_hidden_layers }, (_, i) => `model.layers.${i}`).flatMap((layer) => [
    norm(`${layer}.input_layernorm`),
    matrix(`${layer}.self_attn.q_proj`, num_heads * head_dim, width),
    matrix(`${layer}.self_attn.k_proj`, num_key_value_heads * head_dim, width),
    matrix(`${layer}.self_attn.v_proj`, num_key_value_heads * head_dim, width),
    matrix(`${layer}.self_attn.o_proj`, width, num_heads * head_dim),
    norm(`${layer}.post_attention_layernorm`),
    matrix(`${layer}.mlp.gate_proj`, inner, width),
    matrix(`${layer}.mlp.up_proj`, inner, width),
    matrix(`${layer}.mlp.down_proj`, width, inner),
  ]);
  const head = config.tie_word_embeddings ? [] : [matrix("lm_head", config.vocab_size, width)];
  return [matrix("model.embed_tokens", config.vocab_size, width), ...layers, norm("model.norm"), ...head];
}

/** The base of rotary frequencies, they themselves, and as the config scales them. */
function frequenciesOf(config: Config, head_dim: number) {
  const scaling = config.rope_parameters ?? config.rope_scaling ?? {};
  const theta = config.rope_theta ?? scaling.rope_theta ?? 10_000;
  const plain = rotaryFrequencies(head_dim, theta);
  const scaled = scaling.rope_type === "llama3" ? llama3Frequencies(plain, scaling) : plain;
  return { theta, plain, scaled };
}

function ggufMetadata(config: Config, { num_heads, num_key_value_heads, head_dim }: Layout) {
  return new Map<string, MetadataValue>([
    ["block_count", uint32(config.num_hidden_layers)],
    ["context_length", uint32(config.max_position_embeddings)],
    ["embedding_length", uint32(config.hidden_size)],
    ["feed_forward_length", uint32(config.intermediate_size)],
    ["attention.head_count", uint32(num_heads)],
    ["attention.head_count_kv", uint32(num_key_value_heads)],
    ["attention.key_length", uint32(head_dim)],
    ["attention.value_length", uint32(head_dim)],
    ["attention.layer_norm_rms_epsilon", float32(config.rms_norm_eps)],
    ["rope.dimension_count", uint32(head_dim)],
    ["rope.freq_base", float32(frequenciesOf(config, head_dim).theta)],
    ["vocab_size", uint32(config.vocab_size)],
  ]);
}

const GGUF_NAMES: Record<string, string> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

/** llama.cpp rotates neighbours in this architecture, so rows of queries and keys are reordered. */
function ggufTensors(config: Config, layout: Layout): GgufLayout["tensors"] {
  const heads: Record<string, number> = {
    "self_attn.q_proj": layout.num_heads,
    "self_attn.k_proj": layout.num_key_value_heads,
  };
  return parametersOf(config, layout).map(({ name }) => {
    const [, layer, module] = /^(?:model\.layers\.(\d+)\.)?(.+)\.weight$/.exec(name)!;
    const gguf = `${layer === undefined ? "" : `blk.${layer}.`}${GGUF_NAMES[module!]}.weight`;
    return heads[module!] ? { name, gguf, interleavedHeads: heads[module!]! } : { name, gguf };
  });
}

/** Scaled frequencies: what llama.cpp divides each of the plain ones by. */
function ggufFrequencies(config: Config, { head_dim }: Layout): GgufLayout["extra"] {
  const { plain, scaled } = frequenciesOf(config, head_dim);
  if (plain === scaled) return [];
  const data = Float32Array.from(plain, (frequency, i) => frequency / scaled[i]!);
  return [{ gguf: "rope_freqs.weight", shape: [data.length], data }];
}
