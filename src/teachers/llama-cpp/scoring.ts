/** @file What llama.cpp finds likely at the tokens of given texts: as many of them in a batch as it has room for. */

import type { Scored, ScoreOptions, ScoreRequest } from "../teacher.ts";
import { openDrawing } from "./drawing.ts";
import type { EngineOptions } from "./engine.ts";

export type ScoreRequests = Iterator<[index: number, request: ScoreRequest]>;

/** A text that is being read in a place of the context. */
type Reading = {
  index: number;
  request: ScoreRequest;
  place: number;
  /** Tokens that are in the cache. */
  read: number;
  top: NonNullable<Scored["top_logprobs"]>;
};

/** Score what `source` has and give each to `emit`, which may wait. */
export async function score(
  { addon, sequences, context_size, batch_size, vocabulary, textNotFinite }: EngineOptions,
  source: ScoreRequests,
  { top_logprobs, onTokens }: ScoreOptions,
  emit: (scored: Scored) => void | Promise<void>,
  stopped: () => boolean,
): Promise<void> {
  const { batches } = addon;
  const drawing = openDrawing(addon, vocabulary, { temperature: 0, top_k: 0, top_p: 1, min_p: 0, top_logprobs });
  const reading: Reading[] = [];
  let [exhausted, tokens] = [false, 0];
  try {
    while (!stopped()) {
      const taken = new Set(reading.map(({ place }) => place));
      for (let place = 0; place < sequences && !exhausted; place++) {
        if (taken.has(place)) continue;
        const { value, done } = source.next();
        if (done) exhausted = true;
        else {
          const [index, request] = value;
          const { length } = request.tokens;
          if (length > context_size) {
            await emit({
              index,
              error: `The text has ${length} tokens, and the teacher a context_size of ${context_size}. Raise it.`,
            });
            place--;
          } else {
            batches.disposeSequence(place);
            reading.push({ index, request, place, read: 0, top: [] });
          }
        }
      }
      if (reading.length === 0) return;
      tokens += await readBatch();
      onTokens?.(tokens);
      for (const text of reading.splice(0)) {
        if (text.read < last(text)) reading.push(text);
        else await emit({ index: text.index, top_logprobs: text.top });
      }
    }
  } finally {
    drawing.close();
  }

  /** Read on in each text as far as a batch has room; the number of tokens read. */
  async function readBatch(): Promise<number> {
    const parts: { text: Reading; count: number }[] = [];
    let room = batch_size;
    for (const text of reading) {
      const count = Math.min(room, last(text) - text.read);
      if (count > 0) parts.push({ text, count });
      room -= count;
    }
    const total = parts.reduce((sum, { count }) => sum + count, 0);
    if (total === 0) return 0;
    batches.initBatch(total);
    const outputs: { index: number; text: Reading }[] = [];
    for (const { text, count } of parts) {
      const { place, read, request } = text;
      const piece = request.tokens.slice(read, read + count);
      // what comes after token i is what is found likely at token i + 1
      const wanted = piece.flatMap((_, i) => (read + i + 1 >= request.from ? [i] : []));
      const at = batches.addToBatch(place, read, Uint32Array.from(piece), Uint32Array.from(wanted));
      for (const index of at) outputs.push({ index, text });
      text.read += count;
    }
    await batches.decodeBatch();
    const found = await drawing.top(outputs, (i) => textNotFinite(outputs[i]!.text.index));
    for (const [i, top] of found.entries()) outputs[i]!.text.top.push(top);
    return total;
  }
}

/** Nothing is found behind the last token. */
const last = ({ request }: Reading) => request.tokens.length - 1;
