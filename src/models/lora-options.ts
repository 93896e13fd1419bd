/** @file What is said of a low-rank adapter, under PEFT's names. */

import { z } from "zod";

export const ALL_LINEAR = "all-linear";

const names = z.array(z.string().min(1)).min(1);
const patterns = <Value extends z.ZodType>(value: Value) => z.record(z.string().min(1), value).nullish();

/** The keys of PEFT's LoraConfig, with its defaults; `target_modules` of "all-linear" are all linear layers but the head. */
export const LoraOptions = z.object({
  r: z.int().positive().default(8),
  lora_alpha: z.number().positive().default(8),
  lora_dropout: z.number().min(0).lt(1).default(0),
  /** Names or ends of names; or one regular expression of whole names. */
  target_modules: z.union([z.string().min(1), names]).default(ALL_LINEAR),
  /** The same, of what is no target all the same. */
  exclude_modules: z.union([z.string().min(1), z.array(z.string().min(1))]).nullish(),
  /** Ends of names of modules whose own weights are trained whole. */
  modules_to_save: z.array(z.string().min(1)).nullish(),
  /** The layers in which targets are, by number. */
  layers_to_transform: z.union([z.int().nonnegative(), z.array(z.int().nonnegative())]).nullish(),
  /** r, and lora_alpha, of modules the ends of whose names match; the first that matches counts. */
  rank_pattern: patterns(z.int().positive()),
  alpha_pattern: patterns(z.number().positive()),
  /** Scale by lora_alpha / √r (arXiv:2312.03732) in place of lora_alpha / r. */
  use_rslora: z.boolean().default(false),
  /** Train the lengths of the rows of W + s B A apart from their directions (arXiv:2402.09353). */
  use_dora: z.boolean().default(false),
});
export type LoraOptions = z.output<typeof LoraOptions>;

/** The options of an adapter that may not be new. */
export type AdapterOptions = Omit<LoraOptions, "use_dora"> & {
  use_dora?: boolean | undefined;
  /** How it began; some beginnings take something out of the weights that it is beside. */
  init_lora_weights?: string | boolean;
};
