/** @file Chat templates: a model's own, or those that models do not bring along. */

import { DistillError } from "../core/errors.ts";
import { type ChatTemplate, chatTemplate } from "./chat-template.ts";

/** DeepSeek-R1-Zero's template (arXiv:2501.12948, table 1), which a base model continues. */
const R1 = [
  "A conversation between User and Assistant. The user asks a question, and the Assistant solves it.",
  "The assistant first thinks about the reasoning process in the mind and then provides the user with the answer.",
  "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively,",
  "i.e., <think> reasoning process here </think> <answer> answer here </answer>.",
].join(" ");

const TEMPLATES: Record<string, string> = {
  /** What is said and nothing else, for models that continue text. */
  plain: "{% for message in messages %}{{ message.content }}{% endfor %}",
  r1: `${R1}{% for message in messages %}{% if message.role == 'user' %} User: {{ message.content }}.{% elif message.role == 'assistant' %} Assistant: {{ message.content }}{% else %}{{ raise_exception('the r1 template has turns of user and assistant only') }}{% endif %}{% endfor %}{% if add_generation_prompt %} Assistant:{% endif %}`,
};

/** The Jinja text that is asked for by name, or as itself. */
export function templateText(asked: string): string {
  const known = TEMPLATES[asked];
  if (known !== undefined) return known;
  if (/\{[{%]/.test(asked)) return asked;
  throw new DistillError(
    `Unknown chat_template "${asked}". Expected one of: ${Object.keys(TEMPLATES).join(", ")}, or a Jinja text; the template that comes with the student is taken where none is given.`,
  );
}

/** The template that is asked for by name or as a Jinja text, else the model's `own`. */
export function templateOf(
  asked: string | undefined,
  own: string | undefined,
  model: string,
  special: { bos: string; eos: string },
): ChatTemplate {
  const source = asked ? templateText(asked) : own;
  if (!source)
    return () => {
      const known = Object.keys(TEMPLATES).join(", ");
      throw new DistillError(
        `${model} has no chat template. Set chat_template to one of ${known}, or to a Jinja text.`,
      );
    };
  return chatTemplate(source, asked ? "chat_template" : `The chat template of ${model}`, special);
}
