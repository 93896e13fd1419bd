/** @file What a family of models declares. */

import type { z } from "zod";
import type { DType, Value } from "../graph/value.ts";
import type { GgufLayout } from "./gguf.ts";

/** A weight as Hugging Face names and shapes it, and how a new model fills it. */
export type Parameter = { name: string; shape: readonly number[]; init: "normal" | "ones" | "zeros" };

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
};

export type ForwardOptions = {
  /** Keep only the inputs of each layer for the backward pass, and compute the rest again. */
  rematerialize?: boolean;
};

export type Model = {
  readonly parameters: readonly Parameter[];
  /** The deviation of newly initialised weights. */
  readonly initializer_range: number;
  /** A weight as an input of the program. */
  weight(name: string): Value;
  /** The last hidden states, normalised: [tokens, hidden_size]. */
  hidden(tokens: Tokens, options?: ForwardOptions): Value;
  /** The matrix that makes logits of hidden states: [vocab_size, hidden_size]. */
  readonly head: Value;
};

/** A family: the HF `model_type` is the name under which models/index.ts exports it. */
export type Family<Config extends z.ZodType = z.ZodType> = {
  config: Config;
  create(config: z.output<Config>, dtype?: DType): Model;
  /** How llama.cpp wants the same model. */
  gguf(config: z.output<Config>): GgufLayout;
};

export const defineFamily = <Config extends z.ZodType>(family: Family<Config>) => family;
