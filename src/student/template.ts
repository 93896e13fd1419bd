/** @file How a student without a chat template is asked. */

import type { Tokenizer } from "../data/tokenizer.ts";

/** What it learned from: a teacher, by the template through which that is asked, or a dataset of its own. */
export type Learned = { teacher?: { template(): string | undefined } | undefined; dataset?: object | undefined };

/** The template of questions for a model that has none of its own: what it was trained to continue. */
export function templateToAsk(
  { teacher, dataset }: Learned,
  { template }: Pick<Tokenizer, "template">,
): string | undefined {
  if (template) return undefined;
  if (!teacher || dataset) return "plain"; // pairs of prompt and completion
  return teacher.template() ?? "plain";
}
