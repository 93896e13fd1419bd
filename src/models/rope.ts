/** @file Rotary frequencies, and the ways in which configs stretch them. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";

const theta = { rope_theta: z.number().positive().optional() };

const Default = z.looseObject({ ...theta, rope_type: z.literal("default") });

const Linear = z.looseObject({ ...theta, rope_type: z.literal("linear"), factor: z.number().positive() });

const Llama3 = z.looseObject({
  ...theta,
  rope_type: z.literal("llama3"),
  factor: z.number().positive(),
  low_freq_factor: z.number().positive(),
  high_freq_factor: z.number().positive(),
  original_max_position_embeddings: z.int().positive(),
});

type Scaling = z.output<typeof Default> | z.output<typeof Linear> | z.output<typeof Llama3>;
type Kind = typeof Default | typeof Linear | typeof Llama3;

/** HF's `rope_scaling` and `rope_parameters`, which took its place: of these kinds, and of no other. */
function scalingOf<const Kinds extends readonly [Kind, ...Kind[]]>(kinds: Kinds, names: readonly string[]) {
  const union = z.discriminatedUnion("rope_type", kinds, {
    error: ({ code, input }) =>
      code === "invalid_union"
        ? `unknown rope_type ${JSON.stringify((input as { rope_type?: unknown }).rope_type)}, expected one of: ${names.join(", ")}`
        : undefined,
  });
  // older configs say "type", and some say nothing
  const spelled = (value: unknown) =>
    typeof value === "object" && value !== null && !("rope_type" in value)
      ? { ...value, rope_type: "type" in value ? value.type : "default" }
      : value;
  return z.preprocess(spelled, union);
}

export const RopeScaling = scalingOf([Default, Linear, Llama3], ["default", "linear", "llama3"]);

/** The same for families whose models llama.cpp scales in no other way. */
export const LinearRopeScaling = scalingOf([Default, Linear], ["default", "linear"]);

export type Rope = {
  /** The base of the frequencies. */
  theta: number;
  /** What positions are divided by. */
  factor: number;
  /** Radians a position, before and after scaling. */
  plain: readonly number[];
  scaled: readonly number[];
};

type RopeConfig = {
  rope_theta?: number | undefined;
  rope_scaling?: Scaling | null | undefined;
  rope_parameters?: Scaling | null | undefined;
};

/** Numbers of a head: more would be no model. */
export const LARGEST_HEAD = 1 << 16;

/** What a config says of rotation; `theta` where it says no base. */
export function ropeOf(config: RopeConfig, head_dim: number, theta = 10_000): Rope {
  if (head_dim % 2 !== 0 || head_dim > LARGEST_HEAD)
    throw new DistillError(
      `The config's heads have a size of ${head_dim}; halves of a head are rotated: expected an even number up to ${LARGEST_HEAD}.`,
    );
  const scaling: Scaling = config.rope_parameters ?? config.rope_scaling ?? { rope_type: "default" };
  const base = config.rope_theta ?? scaling.rope_theta ?? theta;
  const plain = rotaryFrequencies(head_dim, base);
  const factor = scaling.rope_type === "linear" ? scaling.factor : 1;
  const scaled = scaling.rope_type === "llama3" ? llama3Frequencies(plain, scaling) : plain.map((f) => f / factor);
  return { theta: base, factor, plain, scaled };
}

/** theta^(-2i / head_dim) for i in 0 … head_dim / 2 - 1 (arXiv:2104.09864, section 3.2.2), in radians a position. */
export const rotaryFrequencies = (head_dim: number, theta: number): number[] =>
  Array.from({ length: head_dim / 2 }, (_, i) => theta ** ((-2 * i) / head_dim));

/** Llama 3.1's scaling: long waves are stretched by `factor`, short ones kept, those between blended. */
function llama3Frequencies(frequencies: readonly number[], scaling: z.output<typeof Llama3>): number[] {
  const { factor, low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: context } = scaling;
  return frequencies.map((frequency) => {
    const turns = (context * frequency) / (2 * Math.PI); // in the original context
    if (turns < low) return frequency / factor;
    if (turns > high) return frequency;
    const smooth = (turns - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  });
}
