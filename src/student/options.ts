/** @file What a recipe says of the student. */

import { z } from "zod";
import { TemplateVariable } from "../data/template-files.ts";
import { LoraOptions } from "../models/lora.ts";

const text = z.string().min(1);

/** The sections of a recipe that say what the student is. */
export const StudentSections = z.object({
  student: z.union([
    /** A model to continue from: an HF folder, and a folder of PEFT's with an adapter to it. */
    z.strictObject({ path: text, adapter: text.optional() }),
    /** A new model: the keys of an HF config.json. */
    z.strictObject({ config: z.looseObject({ model_type: text }), seed: z.int().nonnegative().default(0) }),
  ]),
  /** A tokenizer folder; the student's own unless given. */
  tokenizer: text.optional(),
  /**
   * How prompts are rendered, in training, in measuring and in what is exported: by the tokenizer's own template unless given
   * by name (plain: the text as it stands) or as a Jinja text.
   */
  chat_template: text.optional(),
  /** What templates read beside the messages, such as { enable_thinking: false }; kept with the student. */
  chat_template_kwargs: z.record(z.string().regex(/^[A-Za-z_]\w*$/), TemplateVariable).optional(),
  /** Train low-rank matrices beside linear layers, and leave the student's own weights as they are. */
  lora: LoraOptions.strict().optional(),
});
export type StudentSections = z.output<typeof StudentSections>;
export type StudentOptions = StudentSections["student"];
