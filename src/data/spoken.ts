/** @file What an assistant writes in a turn, as its chat template has it, for a model to learn to write. */

import { prefilledThink } from "./think.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { Turn } from "./turns.ts";
import { RowFault } from "./values.ts";

const EMPTY_THINK = /^\s*<think>\s*<\/think>\s*/;

/**
 * The last of `turns` as the text behind `prompt`, the others rendered up to it. It is what the template writes there, with
 * calls of tools and the token that ends the turn, but not an empty think block, which a prompt would have to hold; where the
 * template would leave reasoning out, or writes the turn other than it was given, it is the turn's own text.
 */
export function completionOf(
  turns: readonly Turn[],
  tools: readonly unknown[] | undefined,
  prompt: string,
  tokenizer: Pick<Tokenizer, "render" | "endOfTurn" | "token">,
): string {
  const { content, reasoning_content: reasoning, tool_calls } = turns.at(-1)!;
  const said = content ?? "";
  const own = reasoning ? `<think>\n${reasoning.trim()}\n</think>\n\n${said}` : said;
  const spoken = behind(turns, tools, prompt, tokenizer)?.replace(EMPTY_THINK, "");
  if (spoken === undefined || !spoken.includes(said.trim())) {
    if (!tool_calls) return own;
    throw new RowFault(
      `turn ${turns.length} calls tools, and the chat template writes it otherwise than behind the prompt that it writes for it. Leave such rows out, or give another chat_template`,
    );
  }
  if (!tool_calls && said.trim() === "") return own;
  if (!reasoning || around(spoken, said.trim()).includes(reasoning.trim())) return spoken;
  return `<think>\n${reasoning.trim()}\n</think>\n\n${spoken.trimStart()}`;
}

/** A text without the last place of a part. */
function around(text: string, part: string): string {
  const at = text.lastIndexOf(part);
  return text.slice(0, at) + text.slice(at + part.length);
}

/** What a template writes of the last turn behind a prompt, whose open think block is part of the turn. */
function behind(
  turns: readonly Turn[],
  tools: readonly unknown[] | undefined,
  prompt: string,
  { render, endOfTurn, token }: Pick<Tokenizer, "render" | "endOfTurn" | "token">,
): string | undefined {
  const whole = render(turns, { generate: false, tools });
  const block = prefilledThink(prompt);
  const base = prompt.slice(0, prompt.length - block.length);
  if (!whole.startsWith(base)) return undefined;
  const written = whole.slice(base.length);
  const end = written.lastIndexOf(token(endOfTurn));
  return end < 0 ? undefined : written.slice(0, end + token(endOfTurn).length);
}
