/** @file What must be true of every example before the first step. */

import { DistillError } from "../core/errors.ts";
import type { Segment } from "./batch.ts";
import { continuation, prefilledThink, thinkFault } from "./think.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** There is a completion, and its think block, where it has one, is one block that is closed. */
export function lintCompletion(prompt: string, completion: string, where: string): void {
  const rest = continuation(prompt, completion);
  if (rest === "") throw new DistillError(`${where} has nothing to learn: its completion is empty.`);
  // some templates close a block that they never open
  const prefilled = prefilledThink(prompt) || (/<\/think>\s*$/.test(prompt) ? "<think></think>" : "");
  const fault = thinkFault(prefilled + rest);
  if (!fault) return;
  if (prefilled && !/<\/?think>/.test(rest))
    throw new DistillError(
      `${where}: the prompt opens a think block, and the completion neither fills nor closes it. Give the reasoning and </think> in the completion, or a chat template that opens no block.`,
    );
  if (prefilled.includes("</think>"))
    throw new DistillError(
      `${where}: the prompt ends with a closed think block, and the completion has one of its own. Leave the reasoning out, or let the template open a block, as chat_template_kwargs: { enable_thinking: true } does where it has such a variable.`,
    );
  throw new DistillError(
    `${where}: the completion ${fault}${prefilled ? ", behind the one that the prompt ends with" : ""}. Expected one closed block or none; the reward format keeps such traces out.`,
  );
}

/**
 * Something is supervised behind a prompt, up to a stop token that stands nowhere else; one BOS, except where a chat template
 * writes one for each turn (`templated`); ids of the vocabulary.
 */
export function lintSegment(
  segments: readonly Segment[],
  tokenizer: Tokenizer,
  where: string,
  templated: boolean,
): void {
  if (segments.length === 0)
    throw new DistillError(
      `${where} has nothing to learn: no token is supervised. Expected a completion or a turn of the assistant.`,
    );
  const { bos, size, stops, token } = tokenizer;
  for (const { tokens, supervised } of segments) {
    if (supervised[0]) throw new DistillError(`${where} has no prompt, not even a first token to predict from.`);
    const last = supervised.lastIndexOf(true);
    if (!stops.includes(tokens[last]!))
      throw new DistillError(
        `${where}: the last supervised token is "${token(tokens[last]!)}", not the stop token "${token(stops[0]!)}".`,
      );
    const early = tokens.findIndex((id, i) => stops.includes(id) && supervised[i] && supervised[i + 1]);
    if (early >= 0)
      throw new DistillError(
        `${where}: the completion holds the stop token "${token(tokens[early]!)}" before its end, and nothing is ever written behind one.`,
      );
    const isBos = (id: number, i: number) => id === bos && !(supervised[i] && stops.includes(id));
    const begins = bos === undefined || templated ? 1 : tokens.filter(isBos).length;
    if (begins !== 1)
      throw new DistillError(
        `${where} has the token that begins a text, "${token(bos!)}", ${begins} times. Expected once.`,
      );
    requireKnown(tokens, size, where);
  }
}

/** Ids of the vocabulary, of which some are learned. */
export function requireTokens({ tokens, supervised }: Segment, { size }: Tokenizer, where: string): void {
  requireKnown(tokens, size, where);
  if (!supervised.includes(true)) throw new DistillError(`${where} has nothing to learn: no token is supervised.`);
}

function requireKnown(tokens: readonly number[], size: number, where: string): void {
  const unknown = tokens.find((id) => !(id >= 0 && id < size));
  if (unknown !== undefined)
    throw new DistillError(`${where} has a token id of ${unknown}; the tokenizer has ${size}.`);
}
