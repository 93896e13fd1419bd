/** @file How a student without a chat template is asked. */

import { dirname } from "node:path";
import { loadTokenizer, type Tokenizer } from "../data/tokenizer.ts";
import { openGguf } from "../formats/gguf-reader.ts";

/** What it learned from: a teacher, by its options, or a dataset of its own. */
type Learned = { teacher?: object | undefined; dataset?: object | undefined };

/** The template of questions for a model that has none of its own: what it was trained to continue. */
export function templateToAsk(
  { teacher, dataset }: Learned,
  { template }: Pick<Tokenizer, "template">,
): string | undefined {
  if (template) return undefined;
  if (!teacher || dataset) return "plain"; // pairs of prompt and completion
  const { chat_template, path } = teacher as { chat_template?: string; path?: string };
  if (chat_template || !path) return chat_template ?? "plain";
  if (!path.endsWith(".gguf")) return loadTokenizer(dirname(dirname(path))).template ?? "plain";
  const { metadata, close } = openGguf(path);
  close();
  const own = metadata.get("tokenizer.chat_template");
  return own?.type === "string" ? own.value : "plain";
}
