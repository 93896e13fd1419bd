/** @file What an assistant writes in a turn, as its chat template has it, for a model to learn to write. */

import { type Begun, begunBy, marksOf, THINK } from "./reasoning-marks.ts";
import { prefilledThink } from "./think.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { Turn } from "./turns.ts";
import { RowFault } from "./values.ts";

const EMPTY_THINK = /^\s*<think>\s*<\/think>\s*/;

type Writer = Pick<Tokenizer, "render" | "endOfTurn" | "token">;

/**
 * The last of `turns` as the text behind `prompt`, the others rendered up to it. It is what the template writes there, with
 * calls of tools and the token that ends the turn, but not an empty think block, which a prompt would have to hold; where the
 * template would leave reasoning out, or writes the turn other than it was given, it is the turn's own text.
 */
export function completionOf(
  turns: readonly Turn[],
  tools: readonly unknown[] | undefined,
  prompt: string,
  tokenizer: Writer,
): string {
  const turn = turns.at(-1)!;
  const { content, reasoning_content: reasoning, tool_calls } = turn;
  const whole = tokenizer.render(turns, { generate: false, tools });
  const begun = whole.startsWith(prompt) ? undefined : begunBy(prompt, turns, tools, tokenizer.render);
  if (begun) requireAgreed(begun, turn, turns.length, prompt, tokenizer);
  const said = content ?? "";
  const { open, close } = marksOf(tokenizer.render) ?? THINK;
  const thought = reasoning ? `${begun?.open ? "" : open}${reasoning.trim()}${close}` : "";
  const spoken = behind(turn, whole, prompt, begun?.text ?? prefilledThink(prompt), tokenizer);
  if (spoken === undefined || !spoken.includes(said.trim())) {
    if (!tool_calls) return thought + said;
    throw new RowFault(
      `turn ${turns.length} calls tools, and the chat template writes it otherwise than behind the prompt that it writes for it. Leave such rows out, or give another chat_template`,
    );
  }
  if (!tool_calls && said.trim() === "") return thought + said;
  const end = tokenizer.token(tokenizer.endOfTurn);
  const body = spoken.endsWith(end) ? spoken.slice(0, -end.length) : spoken;
  if (!reasoning || around(body, said.trim()).includes(reasoning.trim())) return spoken;
  return thought + spoken.trimStart();
}

/** Throw where the prompt begins reasoning and the turn has none, or the other way round. */
function requireAgreed(
  { text, open }: Begun,
  { content, reasoning_content }: Turn,
  number: number,
  prompt: string,
  { render }: Writer,
): void {
  const marks = marksOf(render)!;
  const shown = text.trim() === "" ? prompt.slice(prompt.lastIndexOf(marks.open.trim())) : text;
  const ends = `the prompt that the chat template writes for it ends with ${JSON.stringify(shown)}`;
  if (!open && reasoning_content)
    throw new RowFault(
      `turn ${number} has reasoning, and ${ends}, which leaves no place for any. Leave the reasoning out, or let the template open a block, as chat_template_kwargs: { enable_thinking: true } does where it has such a variable`,
    );
  if (open && !reasoning_content && !content?.includes(marks.close.trim()))
    throw new RowFault(
      `turn ${number} has no reasoning, and ${ends}, which begins some. Give the turn its reasoning_content, or let the template begin none, as chat_template_kwargs: { enable_thinking: false } does where it has such a variable`,
    );
}

/** A text without the last place of a part. */
function around(text: string, part: string): string {
  const at = text.lastIndexOf(part);
  return text.slice(0, at) + text.slice(at + part.length);
}

/** What a template writes of the last turn behind a prompt, of which what it `begins` of the answer is part of the turn. */
function behind(
  { content, tool_calls }: Turn,
  whole: string,
  prompt: string,
  begins: string,
  { endOfTurn, token }: Writer,
): string | undefined {
  const base = prompt.slice(0, prompt.length - begins.length);
  if (!whole.startsWith(base)) return undefined;
  const written = whole.slice(base.length);
  const end = written.lastIndexOf(token(endOfTurn));
  const turn =
    end >= 0
      ? written.slice(0, end + token(endOfTurn).length)
      : tool_calls
        ? written.trimEnd() // a template that ends turns only where another one follows
        : written.slice(0, written.lastIndexOf(content?.trim() ?? "") + (content?.trim().length ?? 0));
  const empty = turn.replace(EMPTY_THINK, "");
  return begins.includes("</think>") ? empty.replace(/^\s*<\/think>/, "") : empty;
}
