/** @file Which type each tensor has in a file that is called by one: llama.cpp's mixtures, with finer embeddings. */

import { z } from "zod";
import { blockSize, type EncodedType, isWeighted } from "../../formats/ggml.ts";

/**
 * A type of weights: most tensors', the number it has as `general.file_type`, the type of those that count most, and of the
 * first layers' ffn_down where there is an importance matrix.
 */
type Mixture = { most: EncodedType; file_type: number; finer?: EncodedType; guarded?: EncodedType };

const MIXTURES = {
  f32: { most: "F32", file_type: 0 },
  f16: { most: "F16", file_type: 1 },
  bf16: { most: "BF16", file_type: 32 },
  q8_0: { most: "Q8_0", file_type: 7 },
  q6_k: { most: "Q6_K", file_type: 18 },
  q5_k_m: { most: "Q5_K", file_type: 17, finer: "Q6_K" },
  q5_0: { most: "Q5_0", file_type: 8, guarded: "Q5_1" },
  q4_k_m: { most: "Q4_K", file_type: 15, finer: "Q6_K" },
  q4_0: { most: "Q4_0", file_type: 2, guarded: "Q4_1" },
} as const satisfies Record<string, Mixture>;
export type TypeName = keyof typeof MIXTURES;

/** The types of weights that are written. */
export const GGUF_TYPES = Object.keys(MIXTURES) as [TypeName, ...TypeName[]];

/** What a recipe calls the types of single tensors. */
const SINGLE = ["f32", "f16", "bf16", "q8_0", "q6_k", "q5_k", "q5_1", "q5_0", "q4_k", "q4_1", "q4_0"] as const;
const named = (name: (typeof SINGLE)[number]) => name.toUpperCase() as EncodedType;

export const TensorTypes = {
  token_embedding_type: z
    .enum(SINGLE)
    .optional()
    .describe("The type of the embedding; q8_0 in files of fewer bits unless given. A tied head is the embedding."),
  output_tensor_type: z
    .enum(SINGLE)
    .optional()
    .describe("The type of a head of its own; q8_0 in files of fewer bits unless given."),
};
export type TensorTypes = z.output<z.ZodObject<typeof TensorTypes>>;

export const fileType = (name: TypeName): number => MIXTURES[name].file_type;

/** Whether some of a file's matrices can be rounded by an importance matrix. */
export const isRounded = (name: TypeName, { token_embedding_type, output_tensor_type }: TensorTypes): boolean =>
  isWeighted(MIXTURES[name].most) ||
  [token_embedding_type, output_tensor_type].some((type) => type !== undefined && isWeighted(named(type)));

/** Where rows are no multiple of a K-quant's 256: the next finer type of 32. */
const SMALLER_BLOCKS: Partial<Record<EncodedType, EncodedType>> = { Q6_K: "Q8_0", Q5_K: "Q5_1", Q4_K: "Q5_0" };

/**
 * A tensor's type: the one that it is meant to have, with an importance matrix or without, and the one that its rows allow.
 * Vectors stay as they are.
 */
export function typeOf(
  tensor: { name: string; shape: readonly number[] },
  layers: number,
  name: TypeName,
  given: TensorTypes,
  matrix = false,
): { wanted: EncodedType; type: EncodedType } {
  const { shape } = tensor;
  if (shape.length === 1) return { wanted: "F32", type: "F32" };
  const wanted = wantedFor(tensor.name, layers, MIXTURES[name], given, matrix);
  const fits = (type: EncodedType | undefined): type is EncodedType =>
    type !== undefined && shape.at(-1)! % blockSize(type) === 0;
  const type = [wanted, SMALLER_BLOCKS[wanted]].find(fits) ?? "F16";
  return { wanted, type };
}

function wantedFor(
  tensor: string,
  layers: number,
  { most, finer, guarded }: Mixture,
  given: TensorTypes,
  matrix: boolean,
): EncodedType {
  const single = { "token_embd.weight": given.token_embedding_type, "output.weight": given.output_tensor_type };
  if (tensor in single) {
    const type = single[tensor as keyof typeof single];
    return type ? named(type) : blockSize(most) === 1 ? most : "Q8_0";
  }
  const [, layer, module] = /^blk\.(\d+)\.(attn_v|ffn_down)\.weight$/.exec(tensor) ?? [];
  if (matrix && guarded && module === "ffn_down" && Number(layer) < Math.floor(layers / 8)) return guarded;
  return finer && module && countsMost(Number(layer), layers) ? finer : most;
}

/** The first eighth of the layers, the last, and every third between. */
function countsMost(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}
