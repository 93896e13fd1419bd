/** @file From rows of text to tokens and the mask of what is learned. Masks come from spans of text, never from token ids. */

import type { Message } from "../core/trace.ts";
import type { Segment } from "./batch.ts";
import { lintCompletion, lintSegment } from "./lint.ts";
import type { TrainingRow } from "./rows.ts";
import { continuation } from "./think.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * The examples of a row: what inference would render as the prompt, token for token, then the completion and its stop
 * token. A later turn of the assistant stays in the same segment as long as its prompt begins with the tokens that are
 * there; a template that rewrites earlier turns, such as one that strips their reasoning, begins a new one. `where`
 * names the row in errors.
 */
export function toSegments(row: TrainingRow, tokenizer: Tokenizer, where: string): Segment[] {
  const segments: { tokens: number[]; supervised: boolean[] }[] = [];
  const add = (ids: readonly number[], supervised: boolean) => {
    const { tokens, supervised: mask } = segments.at(-1)!;
    for (const id of ids) {
      tokens.push(id);
      mask.push(supervised);
    }
  };
  for (const { prompt, completion, stop } of "messages" in row
    ? turns(row.messages, tokenizer)
    : [{ ...row, stop: tokenizer.eos }]) {
    lintCompletion(prompt, completion, where);
    const before = promptTokens(prompt, tokenizer);
    const open = segments.at(-1)?.tokens;
    if (open && startsWith(before, open)) add(before.slice(open.length), false);
    else {
      segments.push({ tokens: [], supervised: [] });
      add(before, false);
    }
    add(stopped(tokenizer.encode(continuation(prompt, completion)), stop, tokenizer), true);
  }
  lintSegment(segments, tokenizer, where);
  return segments;
}

/** Each turn of the assistant, with the text that it continues. */
function* turns(messages: readonly Message[], tokenizer: Tokenizer) {
  for (const [i, { role, content }] of messages.entries())
    if (role === "assistant")
      yield {
        prompt: tokenizer.render(messages.slice(0, i), { generate: true }),
        completion: content,
        stop: tokenizer.endOfTurn,
      };
}

/** The tokens of a completion with a stop token at the end: its own where it brings one, perhaps with white space behind. */
function stopped(ids: number[], stop: number, { stops, decode }: Tokenizer): number[] {
  const own = ids.findLastIndex((id) => stops.includes(id));
  return own >= 0 && decode(ids.slice(own + 1)).trim() === "" ? ids.slice(0, own + 1) : [...ids, stop];
}

/** The tokens of a prompt's text, as runtimes begin it. */
export const promptTokens = (text: string, tokenizer: Tokenizer): number[] =>
  withBos(tokenizer.encode(text), tokenizer);

/** As runtimes begin a text: with one BOS where the model has one, whether the template wrote it or not. */
function withBos(ids: number[], { bos }: Tokenizer): number[] {
  if (bos === undefined) return ids;
  const first = ids.findIndex((id) => id !== bos);
  return [bos, ...ids.slice(first < 0 ? ids.length : first)];
}

const startsWith = (ids: readonly number[], beginning: readonly number[]) =>
  ids.length >= beginning.length && beginning.every((id, i) => ids[i] === id);
