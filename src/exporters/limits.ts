import { z } from "zod";
import { several, tokens } from "../core/sizes.ts";

export const ParityOptions = z.object({
  prompts: several.default(8).describe("How many of the evaluation's prompts the gate compares on."),
  max_completion_length: tokens.default(64).describe("The most tokens of each answer that is compared."),
  max_mean_kl: z
    .record(z.string(), z.number().nonnegative())
    .default({})
    .describe("The largest mean KL divergence from the trained weights, in nats a token, by the name of the export."),
  texts: z
    .int()
    .nonnegative()
    .default(1000)
    .describe("How many texts are encoded through each exported file, and must become the student's tokens."),
  max_different_texts: z.int().nonnegative().default(0).describe("How many of them may become other tokens."),
});
export type ParityOptions = z.output<typeof ParityOptions>;

/** Where a recipe says nothing: what rounding to each precision costs on small models, with room. */
export const MAX_MEAN_KL: Record<string, number> = {
  "gguf-f32": 1e-4,
  "gguf-f16": 1e-3,
  "gguf-bf16": 1e-2,
  "gguf-q8_0": 1e-2,
  "gguf-q6_k": 0.05,
  "gguf-q5_k_m": 0.2,
  "gguf-q5_0": 0.3,
  "gguf-q4_k_m": 0.5,
  "gguf-q4_0": 0.5,
  "gguf_lora-f32": 1e-4,
  "gguf_lora-f16": 1e-3,
  "onnx-fp32": 1e-4,
  "onnx-fp16": 1e-3,
  "onnx-q8": 1e-2,
  "onnx-q4": 0.5,
  "onnx-q4f16": 0.5,
};
