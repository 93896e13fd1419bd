/** @file What is said of a low-rank adapter, under PEFT's names. */

import { z } from "zod";
import { several } from "../core/sizes.ts";

export const ALL_LINEAR = "all-linear";

const names = z.array(z.string().min(1)).min(1);
const patterns = <Value extends z.ZodType>(value: Value) => z.record(z.string().min(1), value).nullish();

/** The keys of PEFT's LoraConfig, with its defaults; `target_modules` of "all-linear" are all linear layers but the head. */
export const LoraOptions = z.object({
  r: several.default(8).describe("The rank: rows of A and columns of B."),
  lora_alpha: z.number().positive().default(8).describe("The adapter counts lora_alpha / r."),
  lora_dropout: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe("The share of a layer's inputs that the adapter does not see in a step."),
  target_modules: z
    .union([z.string().min(1), names])
    .default(ALL_LINEAR)
    .describe(
      "Which linear layers have an adapter: all but the head, those with these names or ends of names, or those whose whole name matches a regular expression.",
    ),
  exclude_modules: z
    .union([z.string().min(1), z.array(z.string().min(1))])
    .nullish()
    .describe("The same, of layers that have none all the same."),
  modules_to_save: z
    .array(z.string().min(1))
    .nullish()
    .describe("Ends of names of modules whose own weights are trained whole beside the adapter."),
  layers_to_transform: z
    .union([z.int().nonnegative(), z.array(z.int().nonnegative())])
    .nullish()
    .describe("The model's layers that have an adapter, by number from 0."),
  rank_pattern: patterns(several).describe(
    "r of modules the ends of whose names match a key; the first that matches counts.",
  ),
  alpha_pattern: patterns(z.number().positive()).describe("The same for lora_alpha."),
  use_rslora: z
    .boolean()
    .default(false)
    .describe("Scale by lora_alpha / √r (arXiv:2312.03732) in place of lora_alpha / r."),
  use_dora: z
    .boolean()
    .default(false)
    .describe("Train the lengths of the rows of W + s B A apart from their directions (arXiv:2402.09353)."),
});
export type LoraOptions = z.output<typeof LoraOptions>;

/** The options of an adapter that may not be new. */
export type AdapterOptions = Omit<LoraOptions, "use_dora"> & {
  use_dora?: boolean | undefined;
  /** How it began; some beginnings take something out of the weights that it is beside. */
  init_lora_weights?: string | boolean;
};
