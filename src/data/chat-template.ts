import { Template } from "@huggingface/jinja";
import { DistillError } from "../core/errors.ts";
import type { Message } from "../core/trace.ts";

export type ChatTemplate = (messages: readonly Message[], options: { generate: boolean }) => string;

/** A Jinja chat template as a function. `where` names it in errors; `special` are the texts of special tokens. */
export function chatTemplate(source: string, where: string, special: { bos: string; eos: string }): ChatTemplate {
  let template: Template;
  try {
    template = new Template(source);
  } catch (error) {
    throw new DistillError(`${where} is not a Jinja template that can be read: ${(error as Error).message}.`);
  }
  return (messages, { generate }) => {
    try {
      return template.render({
        messages,
        add_generation_prompt: generate,
        bos_token: special.bos,
        eos_token: special.eos,
      });
    } catch (error) {
      throw new DistillError(`${where} cannot write these messages: ${(error as Error).message}.`);
    }
  };
}
