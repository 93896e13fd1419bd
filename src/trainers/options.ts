import { z } from "zod";
import { continuable, notContent } from "../core/component.ts";
import { several, tokens } from "../core/sizes.ts";
import { TrainOn } from "../data/segments.ts";
import { BASE_DTYPES } from "../models/storage.ts";
import { PRECISIONS } from "./precision.ts";
import { ScheduleOptions } from "./schedule.ts";

/** What every trainer has: the options of its rows, its loop and its optimizer, under the names of TRL and transformers. */
export const TrainerOptions = z.object({
  ...ScheduleOptions.shape,
  learning_rate: z.number().positive().default(2e-5).describe("The highest learning rate of the run."),
  num_train_epochs: continuable(z.number().positive().default(1)).describe(
    "How often the dataset, or the prompts, are passed over.",
  ),
  max_steps: continuable(z.int().positive().optional()).describe("Overrides num_train_epochs."),
  per_device_train_batch_size: several.default(1).describe("Rows in a micro-batch."),
  gradient_accumulation_steps: several.default(1).describe("Micro-batches of a dataset in a step."),
  max_length: tokens.min(2).default(1024).describe("Tokens in a row."),
  overlength: z
    .enum(["drop", "error"])
    .default("drop")
    .describe("What to do with an example that is longer than a row. It is never cut."),
  on_bad_row: z
    .enum(["error", "skip"])
    .default("error")
    .describe("What to do with rows that cannot be used: name all of them and stop, or leave them out."),
  train_on: TrainOn.default("completions").describe(
    "What is learned of a row: every turn of the assistant, the last of them, or the whole text.",
  ),
  packing: z.boolean().default(true).describe("Whether several examples lie in one row."),
  weight_decay: z.number().nonnegative().default(0).describe("Of AdamW, on matrices only."),
  adam_beta1: z
    .number()
    .min(0)
    .lt(1)
    .default(0.9)
    .describe("The share of its mean of gradients that AdamW keeps in a step."),
  adam_beta2: z
    .number()
    .min(0)
    .lt(1)
    .default(0.999)
    .describe("The share of its mean of squared gradients that AdamW keeps in a step."),
  adam_epsilon: z.number().positive().default(1e-8).describe("What AdamW adds to the root by which it divides."),
  max_grad_norm: z.number().positive().default(1).describe("A gradient with a larger norm is scaled down to it."),
  gradient_checkpointing: z
    .boolean()
    .default(false)
    .describe(
      "Keep only each layer's input for the backward pass and compute the rest again: less memory, a third more work.",
    ),
  precision: z
    .enum(PRECISIONS)
    .default("auto")
    .describe("What is computed in, with float32 weights, moments and statistics: auto is fp16 on a GPU that has it."),
  freeze: z
    .array(z.string().min(1))
    .default([])
    .describe("Names of weights that stay as they are; * stands for any characters."),
  base_dtype: z.enum(BASE_DTYPES).default("float32").describe("How matrices that are not trained are kept in memory."),
  seed: z.int().nonnegative().default(0).describe("Orders rows and prompts, and draws dropout and new adapters."),
  logging_steps: notContent(z.int().positive().default(10)).describe("Steps between two lines of metrics.jsonl."),
  save_steps: notContent(z.int().positive().default(500)).describe("Steps between two checkpoints."),
  save_total_limit: notContent(z.int().positive().default(2)).describe("The newest checkpoints that are kept."),
});
export type TrainerOptions = z.output<typeof TrainerOptions>;
