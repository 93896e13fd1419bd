import { z } from "zod";

type Llama3Scaling = {
  factor: number;
  low_freq_factor: number;
  high_freq_factor: number;
  original_max_position_embeddings: number;
};

const Llama3 = z.looseObject({
  rope_type: z.literal("llama3"),
  rope_theta: z.number().positive().optional(),
  factor: z.number().positive(),
  low_freq_factor: z.number().positive(),
  high_freq_factor: z.number().positive(),
  original_max_position_embeddings: z.int().positive(),
});

const Default = z.looseObject({
  rope_type: z.literal("default").optional(),
  rope_theta: z.number().positive().optional(),
});

/** HF's `rope_scaling`, and `rope_parameters`, which took its place. */
export const RopeScaling = z.union([Llama3, Default]);

/** theta^(-2i / head_dim) for i in 0 … head_dim / 2 - 1 (arXiv:2104.09864, section 3.2.2), in radians a position. */
export const rotaryFrequencies = (head_dim: number, theta: number): number[] =>
  Array.from({ length: head_dim / 2 }, (_, i) => theta ** ((-2 * i) / head_dim));

/** Llama 3.1's scaling: long waves are stretched by `factor`, short ones kept, those between blended. */
export function llama3Frequencies(frequencies: readonly number[], scaling: Llama3Scaling): number[] {
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: context } = scaling;
  return frequencies.map((frequency) => {
    const turns = (context * frequency) / (2 * Math.PI); // in the original context
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const smooth = (turns - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}
