/** @file Completions of many prompts at a time, drawn from a model whose weights are states of a device. */

import type { Model } from "../models/model.ts";
import type { Device } from "../runtime/device.ts";
import { drawProbable } from "./draw.ts";
import { notFinite } from "./finite.ts";
import { type Completion, type CompletionOptions, type CompletionRequest, type Text, takeTexts } from "./requests.ts";
import { type Next, runningBatch } from "./running-batch.ts";

export type { Completion, CompletionOptions, CompletionRequest } from "./requests.ts";

export type SamplerOptions = {
  /** Tokens that end a completion. */
  stops: readonly number[];
  /** What errors call the model. */
  source?: string;
  /** What the names of its states begin with; two samplers of one device need two. */
  name?: string;
};

export type Sampler = {
  /**
   * Continue each request; completions come in the order in which they end. Requests are taken as places become free, so an
   * endless source is fine. The weights are the device's, and must stay as they are until the last completion is there.
   * Throws a DistillError for a prompt that cannot be continued, and for logits that are not finite.
   */
  generate(requests: Iterable<CompletionRequest>, options: CompletionOptions): AsyncGenerator<Completion>;
  close(): Promise<void>;
};

/** The share of places from which on free ones are filled again, and texts that have ended leave the cache. */
const FREE = 1 / 8;

/** A sampler for a model whose weights are states of the device. */
export function openSampler(
  device: Device,
  trained: Model,
  { stops, source = "The model", name = "sampler" }: SamplerOptions,
): Sampler {
  const model = trained.eval();
  const batch = runningBatch(device, model, name);
  const vocab = model.head.shape[0] as number;
  let busy = false;

  async function* generate(
    requests: Iterable<CompletionRequest>,
    { temperature = 1, top_k = 0, top_p = 1, min_p = 0, sequences = 64, ...options }: CompletionOptions,
  ): AsyncGenerator<Completion> {
    const {
      max_completion_length,
      context_size = model.max_position_embeddings,
      signal,
      onTokens,
      onDistribution,
      onText,
    } = options;
    const most = Math.min(context_size, model.max_position_embeddings);
    // where nothing is cut the device applies the temperature, to the whole vocabulary at once
    const whole = temperature > 0 && top_k <= 0 && top_p >= 1 && min_p <= 0;
    const drawing = { temperature: whole ? 1 : temperature, top_k, top_p, min_p };
    const asked = whole ? temperature : 1;
    const take = takeTexts(requests, model, source);
    let generated = 0;

    /** Draw a token of each text from a row of probabilities. Texts that it ends are answered, and make room. */
    function* draw(texts: (Text | undefined)[], { probabilities, tempered }: Next, rowOf = (i: number) => i) {
      for (const [i, text] of texts.entries()) {
        if (!text) continue;
        const row = rowOf(i) * vocab;
        const token = drawProbable(tempered.subarray(row, row + vocab), drawing, text.uniform);
        if (token === undefined) throw notFinite(source, `for request ${text.index}`);
        onDistribution?.(text.index, probabilities.subarray(row, row + vocab));
        text.tokens.push(token);
        text.logprobs.push(Math.log(probabilities[row + token]!));
        generated++;
        onText?.(text.index, text.tokens);
      }
      onTokens?.(generated);
      for (const [i, text] of texts.entries()) {
        const completion = text && ended(text, max_completion_length, most);
        if (!completion) continue;
        texts[i] = undefined;
        yield completion;
      }
    }

    /** Read the prompts of texts, equal ones once, and draw the first tokens. Returns those that go on, with their prompts. */
    async function* begin(texts: readonly Text[]): AsyncGenerator<Completion, { text: Text; prompt: number }[]> {
      const numbers = new Map<string, number>();
      const distinct: (readonly number[])[] = [];
      const prompts = texts.map(({ prompt }) => {
        const key = prompt.join();
        const number = numbers.get(key) ?? distinct.push(prompt) - 1;
        numbers.set(key, number);
        return number;
      });
      const open: (Text | undefined)[] = [...texts];
      if (texts.length > 0) yield* draw(open, await batch.read(distinct, asked), (i) => prompts[i]!);
      return open.flatMap((text, i) => (text ? { text, prompt: prompts[i]! } : []));
    }

    let texts: (Text | undefined)[] = []; // in the order of the cache; undefined where one has ended
    while (!signal?.aborted) {
      const going = [...texts.keys()].filter((i) => texts[i]);
      const room = sequences - going.length;
      const begun = going.length === 0 || room >= FREE * sequences ? take(room) : [];
      if (going.length + begun.length === 0) return;
      const fresh = yield* begin(begun);
      if (going.length + fresh.length === 0) continue;
      if (fresh.length > 0 || going.length <= (1 - FREE) * texts.length) {
        await batch.arrange(
          going,
          fresh.map(({ prompt }) => prompt),
        );
        texts = [...going.map((i) => texts[i]), ...fresh.map(({ text }) => text)];
      }
      yield* draw(
        texts,
        await batch.step(
          texts.map((text) => text?.tokens.at(-1) ?? 0),
          asked,
        ),
      );
    }
  }

  /** The completion of a text whose last token ended it. */
  function ended({ index, prompt, tokens, logprobs }: Text, limit: number, most: number): Completion | undefined {
    const stopped = stops.includes(tokens.at(-1)!);
    const full = tokens.length >= limit || prompt.length + tokens.length >= most;
    return stopped || full ? { index, tokens, finish_reason: stopped ? "stop" : "length", logprobs } : undefined;
  }

  return {
    async *generate(requests, options) {
      if (busy) throw new Error("A sampler draws for one caller at a time.");
      busy = true;
      try {
        yield* generate(requests, options);
      } finally {
        await batch.clear();
        busy = false;
      }
    },
    close: () => batch.close(),
  };
}
