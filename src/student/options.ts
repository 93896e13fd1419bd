/** @file What a recipe says of the student. */

import { z } from "zod";
import { LoraOptions } from "../models/lora.ts";

const text = z.string().min(1);

/** The sections of a recipe that say what the student is. */
export const StudentSections = z.object({
  student: z
    .union([
      z
        .strictObject({
          path: text.describe("An HF folder, a GGUF file or hf:owner/name[@revision]."),
          adapter: text.optional().describe("A folder of PEFT's with an adapter to it."),
        })
        .describe("A model to continue from."),
      z
        .strictObject({
          config: z
            .looseObject({ model_type: text.describe("Its family, such as llama.") })
            .describe("The keys of an HF config.json."),
          seed: z.int().nonnegative().default(0).describe("Of its first weights."),
        })
        .describe("A new model."),
    ])
    .describe("The model that is trained."),
  tokenizer: text.optional().describe("A tokenizer folder or hf:owner/name; the student's own unless given."),
  lora: LoraOptions.strict()
    .optional()
    .describe("Train low-rank matrices beside linear layers, and leave the student's own weights as they are."),
});
export type StudentSections = z.output<typeof StudentSections>;
export type StudentOptions = StudentSections["student"];
