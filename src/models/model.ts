/** @file What a family of models declares. */

import type { z } from "zod";
import type { DType, Value } from "../graph/value.ts";
import type { Cache } from "../nn/cached-attention.ts";
import type { Rotation } from "../nn/rotary.ts";
import type { GgufKeys, GgufLayout, GgufMarks } from "./gguf.ts";
import type { Adapter } from "./lora.ts";
import type { AdapterOptions } from "./lora-options.ts";
import type { BaseDtype, Storage } from "./storage.ts";

/** A weight as Hugging Face names and shapes it, and how a new model fills it. */
export type Parameter = {
  name: string;
  shape: readonly number[];
  /** kaiming_uniform is that of a linear layer in PyTorch: within ±1/√(its last size). */
  init: "normal" | "ones" | "zeros" | "kaiming_uniform";
};

/** How many numbers parameters are in all. */
export const elementsIn = (parameters: readonly Parameter[]) =>
  parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** How a model's programs compute, where that is not with its own weights in float32. */
export type ModelOptions = {
  dtype?: DType;
  /** What the names of its weights begin with on a device, where another model's weights are there too. */
  scope?: string;
  /** Low-rank matrices beside its linear layers. */
  lora?: AdapterOptions;
  /** How each weight is kept in memory; all of them as they are unless given. */
  base?: (parameter: Parameter) => BaseDtype;
};

/** The tokens of a program: `rows` rows of `length`, as one list of rows·length tokens. */
export type Tokens = {
  rows: number;
  length: number;
  /** int32 [tokens] */
  input_ids: Value;
  /** int64 [rows, length], counted from the start of each segment */
  positions: Value;
  /** float32 [rows, 1, 1, length, 1]: the index in its row at which each token's segment starts */
  segmentStarts: Value;
  /** int64 [1] for each block of queries but the first: the first key that any of them may see */
  keyStarts: readonly Value[];
  /** Queries in a block of attention. */
  block: number;
  /** Whether every kernel costs a launch, so that more is computed in one. */
  fewKernels?: boolean | undefined;
};

export type ForwardOptions = {
  /** Keep only the inputs of each layer for the backward pass, and compute the rest again. */
  rematerialize?: boolean;
  /** Compute as the model does when it is asked, without the dropout of its adapter. */
  inference?: boolean;
};

/** New tokens of texts whose earlier tokens are in a cache; texts of unequal length are padded on the left. */
export type CachedTokens = {
  /** int64 [batch, new] */
  input_ids: Value;
  /** int64 [batch, old + new]: 0 for padding */
  attention_mask: Value;
  /** int64 [batch, new], counted from the start of each text */
  position_ids: Value;
  /** One for each layer, of the old tokens. */
  past: readonly Cache[];
};

/** New tokens of texts side by side, and how they find their places and what is before them. Time is the first axis. */
export type NextTokens = {
  /** int32 [new, batch] */
  input_ids: Value;
  /** cos and sin of the new tokens' positions times these frequencies: [new, batch, frequencies.length] each. */
  rotation(frequencies: readonly number[]): Rotation;
  /**
   * What a layer's new tokens attend to, [new, batch, heads·head_dim], of their queries, shaped alike, and their keys and
   * values, [new, batch, kv_heads·head_dim]. Queries and keys are rotated, and queries scaled.
   */
  attend(q: Value, k: Value, v: Value, layer: { index: number; window?: number | undefined }): Value;
};

export type Model = {
  /** The same model in another precision. */
  as(dtype: DType): Model;
  /** The same model as it is used: nothing is dropped out. */
  eval(): Model;
  /** Heads of queries. */
  readonly num_heads: number;
  /** The weights of its own. */
  readonly parameters: readonly Parameter[];
  readonly adapter?: Adapter | undefined;
  /** The deviation of newly initialised weights. */
  readonly initializer_range: number;
  /** A weight that can be trained, as an input of the program. */
  weight(name: string): Value;
  /** How one of its own weights lies in memory. */
  storage(name: string): Storage;
  /** The last hidden states, normalised: [tokens, hidden_size]. */
  hidden(tokens: Tokens, options?: ForwardOptions): Value;
  /** What the cache of decode holds for each layer: [batch, num_key_value_heads, length, head_dim]. */
  readonly cache: { layers: number; num_key_value_heads: number; head_dim: number };
  /** The last hidden states of the new tokens, normalised, [batch, new, hidden_size], and the cache with them in it. */
  decode(tokens: CachedTokens): { hidden: Value; present: Cache[] };
  /** The last hidden states of new tokens whose attention is the caller's, normalised: [new, batch, hidden_size]. */
  next(tokens: NextTokens): Value;
  /** The most tokens that a text may have. */
  readonly max_position_embeddings: number;
  /** The matrix that makes logits of hidden states: [vocab_size, hidden_size]. */
  readonly head: Value;
};

/** A family: the HF `model_type` is the name under which models/index.ts exports it. */
export type Family<Config extends z.ZodType = z.ZodType> = {
  config: Config;
  /** What `architectures` in config.json calls its language model. */
  architecture: string;
  create(config: z.output<Config>, options?: ModelOptions): Model;
  /** How llama.cpp wants the same model. */
  gguf(config: z.output<Config>): GgufLayout;
  /** `general.architecture` of its GGUF files. */
  ggufArchitecture: string;
  /** What tells its GGUF files from those of other families of that architecture. */
  ggufMarks: GgufMarks;
  /** The config of a GGUF file, as in config.json, without `model_type`. */
  fromGguf(keys: GgufKeys): Record<string, unknown>;
};

export const defineFamily = <Config extends z.ZodType>(family: Family<Config>) => family;
