/** @file The keys of config.json that decoders have in common. */

import { z } from "zod";

/** More would be no model, but a file that lies. */
const LARGEST = 2 ** 31;
const MOST_LAYERS = 4096;

export const size = z.int().positive().max(LARGEST);

/** Hugging Face's names; a family adds its own, and the defaults in which it differs. */
export const commonKeys = {
  vocab_size: size,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size.max(MOST_LAYERS),
  num_attention_heads: size,
  num_key_value_heads: size.optional(),
  rms_norm_eps: z.number().positive().default(1e-6),
  rope_theta: z.number().positive().optional(),
  initializer_range: z.number().positive().default(0.02),
  attention_bias: z.literal(false).default(false),
};

type Heads = { num_attention_heads: number; num_key_value_heads?: number | undefined };

/** Whether heads of queries share heads of keys evenly. */
export const sharesEvenly = (c: Heads) =>
  c.num_attention_heads % (c.num_key_value_heads ?? c.num_attention_heads) === 0;
export const UNEVEN = { path: ["num_key_value_heads"], message: "must divide num_attention_heads" };

/** Qwen's sliding window, which no released model switches on. */
export const noSlidingWindow = {
  use_sliding_window: z.literal(false).default(false),
  layer_types: z.array(z.literal("full_attention")).nullish(),
};
