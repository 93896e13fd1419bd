/** @file From rows of text to tokens and the mask of what is learned. Masks come from spans of text, never from token ids. */

import { DistillError } from "../core/errors.ts";
import type { Message } from "../core/trace.ts";
import type { Segment } from "./batch.ts";
import type { TrainingRow } from "./rows.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * The tokens of a row. The prompt is tokenized by itself, as it is at inference, so that the training text is an exact
 * continuation of what the student will see. The last supervised token is the stop token.
 */
export function toSegment(row: TrainingRow, tokenizer: Tokenizer, where: string): Segment {
  const spans = "messages" in row ? chatSpans(row.messages, tokenizer, where) : textSpans(row.prompt, row.completion);
  const segment = { tokens: [] as number[], supervised: [] as boolean[] };
  const add = (ids: readonly number[], supervised: boolean) => {
    for (const id of ids) {
      segment.tokens.push(id);
      segment.supervised.push(supervised);
    }
  };
  for (const { text, supervised } of spans) {
    const ids = tokenizer.encode(text);
    if (!supervised) add(ids, false);
    else {
      // what a template writes after the stop token is not for the student to write
      const stop = ids.lastIndexOf(tokenizer.eos);
      add(stop < 0 ? [...ids, tokenizer.eos] : ids.slice(0, stop + 1), true);
      add(stop < 0 ? [] : ids.slice(stop + 1), false);
    }
  }
  const { bos } = tokenizer;
  if (bos !== undefined) {
    while (segment.tokens[1] === bos && segment.tokens[0] === bos) {
      segment.tokens.shift();
      segment.supervised.shift();
    }
    if (segment.tokens[0] !== bos) {
      segment.tokens.unshift(bos);
      segment.supervised.unshift(false);
    }
  }
  lint(segment, tokenizer, where);
  return segment;
}

type Span = { text: string; supervised: boolean };

const textSpans = (prompt: string, completion: string): Span[] => [
  { text: prompt, supervised: false },
  { text: completion, supervised: true },
];

/** Each turn of the assistant, and what stands before it. */
function chatSpans(messages: readonly Message[], tokenizer: Tokenizer, where: string): Span[] {
  const spans: Span[] = [];
  let done = "";
  messages.forEach(({ role }, i) => {
    if (role !== "assistant") return;
    const before = tokenizer.render(messages.slice(0, i), { generate: true });
    const after = tokenizer.render(messages.slice(0, i + 1), { generate: false });
    if (!before.startsWith(done) || !after.startsWith(before))
      throw new DistillError(
        `${where}: the chat template writes turn ${i + 1} differently for training than for inference, so that a student would learn from text it never sees. Give prompt and completion instead.`,
      );
    spans.push(
      { text: before.slice(done.length), supervised: false },
      { text: after.slice(before.length), supervised: true },
    );
    done = after;
  });
  return spans;
}

/** What must be true of every row before the first step. */
function lint({ tokens, supervised }: Segment, { eos, bos, size }: Tokenizer, where: string): void {
  const last = supervised.lastIndexOf(true);
  if (last < 0)
    throw new DistillError(
      `${where} has nothing to learn: no token is supervised. Expected a completion or a turn of the assistant.`,
    );
  if (last === 0) throw new DistillError(`${where} has no prompt, not even a first token to predict from.`);
  if (tokens[last] !== eos)
    throw new DistillError(`${where}: the last supervised token is ${tokens[last]}, not the stop token ${eos}.`);
  if (bos !== undefined && tokens.filter((id) => id === bos).length !== 1)
    throw new DistillError(
      `${where} has the token that begins a text ${tokens.filter((id) => id === bos).length} times. Expected once.`,
    );
  const unknown = tokens.find((id) => !(id >= 0 && id < size));
  if (unknown !== undefined)
    throw new DistillError(`${where} has a token id of ${unknown}; the tokenizer has ${size}.`);
}
