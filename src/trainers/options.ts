import { z } from "zod";
import { continuable, notContent } from "../core/component.ts";
import { TrainOn } from "../data/segments.ts";
import { BASE_DTYPES } from "../models/storage.ts";
import { PRECISIONS } from "./precision.ts";
import { ScheduleOptions } from "./schedule.ts";

/** What every trainer has: the options of its rows, its loop and its optimizer, under the names of TRL and transformers. */
export const TrainerOptions = z.object({
  ...ScheduleOptions.shape,
  learning_rate: z.number().positive().default(2e-5),
  /** How often the dataset, or the prompts, are passed over. */
  num_train_epochs: continuable(z.number().positive().default(1)),
  /** Overrides num_train_epochs. */
  max_steps: continuable(z.int().positive().optional()),
  /** Rows in a micro-batch. */
  per_device_train_batch_size: z.int().positive().default(1),
  gradient_accumulation_steps: z.int().positive().default(1),
  /** Tokens in a row. */
  max_length: z.int().min(2).default(1024),
  /** What to do with an example that is longer than a row. It is never cut. */
  overlength: z.enum(["drop", "error"]).default("drop"),
  /** What to do with a row that cannot be used: name all of them and stop, or leave them out. */
  on_bad_row: z.enum(["error", "skip"]).default("error"),
  /** What is learned: the turns of the assistant, the last of them, or the whole text. */
  train_on: TrainOn.default("completions"),
  /** Whether several examples lie in one row. */
  packing: z.boolean().default(true),
  weight_decay: z.number().nonnegative().default(0),
  adam_beta1: z.number().min(0).lt(1).default(0.9),
  adam_beta2: z.number().min(0).lt(1).default(0.999),
  adam_epsilon: z.number().positive().default(1e-8),
  max_grad_norm: z.number().positive().default(1),
  /** Keep only each layer's input for the backward pass and compute the rest again: less memory, a third more work. */
  gradient_checkpointing: z.boolean().default(false),
  /** What is computed in, with float32 weights, moments and statistics: auto is fp16 on a GPU that has it. */
  precision: z.enum(PRECISIONS).default("auto"),
  /** Names of weights that stay as they are; * stands for any characters. */
  freeze: z.array(z.string().min(1)).default([]),
  /** How matrices that are not trained are kept in memory. */
  base_dtype: z.enum(BASE_DTYPES).default("float32"),
  seed: z.int().nonnegative().default(0),
  logging_steps: notContent(z.int().positive().default(10)),
  save_steps: notContent(z.int().positive().default(500)),
  save_total_limit: notContent(z.int().positive().default(2)),
});
export type TrainerOptions = z.output<typeof TrainerOptions>;
