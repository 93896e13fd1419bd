/** @file What a recipe says of the student. */

import { z } from "zod";
import { TemplateVariable } from "../data/template-files.ts";
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
  chat_template: text
    .optional()
    .describe(
      "How prompts are rendered, in training, in measuring and in exports: the tokenizer's own template unless given by name (plain, r1) or as a Jinja text.",
    ),
  chat_template_kwargs: z
    .record(z.string().regex(/^[A-Za-z_]\w*$/, "only letters, digits and '_'"), TemplateVariable)
    .optional()
    .describe("What templates read beside the messages, such as { enable_thinking: false }; kept with the student."),
  lora: LoraOptions.strict()
    .optional()
    .describe("Train low-rank matrices beside linear layers, and leave the student's own weights as they are."),
});
export type StudentSections = z.output<typeof StudentSections>;
export type StudentOptions = StudentSections["student"];
