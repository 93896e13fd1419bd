/**
 * @file Lock-step decoding: in each step every sequence adds its next token to one batch, prompts of new sequences fill
 * what is left of it, and a place that becomes free takes the next request at once.
 */

import { DistillError } from "../../core/errors.ts";
import type { Finished, GenerateOptions, Generation, SampleRequest } from "../teacher.ts";
import type { Addon, Sampler } from "./addon.ts";
import { type Completion, startCompletion } from "./completion.ts";
import { type Drawn, openDrawing } from "./drawing.ts";
import type { TokenBytes } from "./vocabulary.ts";

export type EngineOptions = {
  addon: Addon;
  sequences: number;
  /** Tokens of prompt and completion together. */
  context_size: number;
  batch_size: number;
  /** Tokens that there are. */
  vocabulary: number;
  bytesOf: TokenBytes;
  endsText(token: number): boolean;
  /** The tokens of a request's prompt; throws a DistillError where they leave no room. */
  tokenize(request: SampleRequest): number[];
  /** The error that says that a request's logits are nothing to draw from. */
  notFinite(request: SampleRequest, index: number): DistillError;
  /** The same for a text that is scored. */
  textNotFinite(index: number): DistillError;
};

/** A place in the context, and the tokens that its cache holds. */
type Place = { id: number; held: number[]; job: Job | undefined };

type Job = {
  index: number;
  request: SampleRequest;
  prompt: readonly number[];
  limit: number;
  sampler: Sampler;
  completion: Completion;
  top: NonNullable<Generation["top_logprobs"]>;
  /** Tokens that are not in the cache yet. */
  pending: number[];
  /** Whether any of them was decoded, or must be next. */
  started: boolean;
};

/** A place whose next token is to be drawn. */
type Output = Drawn & { place: Place; job: Job };

/**
 * Tokens in common from which another place's cache is copied. A copy moves the whole cache of a place, which takes as
 * long as decoding a few tokens: less than one on a CPU, about four on a large card.
 */
const COPY_FROM = 8;

/** Requests with their numbers; several engines may take from one. */
export type Requests = Iterator<[index: number, request: SampleRequest]>;

/** Decode what `source` has and give each step's finished ones to `emit`, which may wait. */
export async function decode(
  engine: EngineOptions,
  source: Requests,
  options: GenerateOptions,
  emit: (finished: Finished) => void | Promise<void>,
  stopped: () => boolean,
): Promise<void> {
  const { addon, sequences, context_size, batch_size, bytesOf, endsText, tokenize } = engine;
  const { batches } = addon;
  const { max_completion_length, top_logprobs, onTokens, onText } = options;
  const stops = options.stop.filter((text) => text !== "").map((text) => Buffer.from(text));
  const places: Place[] = Array.from({ length: sequences }, (_, id) => ({ id, held: [], job: undefined }));
  for (const { id } of places) batches.disposeSequence(id);
  const drawing = openDrawing(addon, engine.vocabulary, options);
  let exhausted = false;
  let generated = 0;

  try {
    while (!stopped()) {
      for (const refused of admit()) await emit(refused);
      const running = places.filter(({ job }) => job);
      if (running.length === 0) return;
      await share(running);
      const outputs = fillBatch(running);
      await batches.decodeBatch();
      const refuse = (i: number) => engine.notFinite(outputs[i]!.job.request, outputs[i]!.job.index);
      const tokens = await drawing.draw(outputs, refuse);
      const tops = top_logprobs > 0 ? await drawing.top(outputs, refuse) : [];
      generated += tokens.length;
      for (const [i, { place, job }] of outputs.entries()) {
        job.top.push(...tops.slice(i, i + 1));
        const generation = accept(job, tokens[i]!);
        onText?.(job.index, job.completion.text());
        if (!generation) continue;
        const { index, sampler } = job;
        sampler.dispose();
        place.job = undefined;
        await emit({ index, generation });
      }
      onTokens?.(generated);
    }
  } finally {
    for (const { job } of places) job?.sampler.dispose();
    drawing.close();
  }

  /** Give free places to the next requests: each the place that holds most of its prompt already. Those that cannot be answered. */
  function admit(): Finished[] {
    const refused: Finished[] = [];
    let free = places.filter(({ job }) => !job);
    while (free.length > 0 && !exhausted) {
      const { value, done } = source.next();
      if (done) {
        exhausted = true;
        return refused;
      }
      const [index, request] = value;
      const prompt = tokenized(request);
      if (typeof prompt === "string") {
        refused.push({ index, error: prompt });
        continue;
      }
      const place = free.reduce((best, other) => (common(prompt, other) > common(prompt, best) ? other : best));
      free = free.filter((other) => other !== place);
      keep(place, common(prompt, place));
      place.job = {
        index,
        request,
        prompt,
        limit: Math.min(max_completion_length, context_size - prompt.length),
        sampler: drawing.newSampler(request.seed),
        completion: startCompletion(bytesOf, stops),
        top: [],
        pending: prompt.slice(place.held.length),
        started: false,
      };
    }
    return refused;
  }

  /** The tokens of a request, or why there can be no completion of it. */
  function tokenized(request: SampleRequest): number[] | string {
    try {
      return tokenize(request);
    } catch (error) {
      if (error instanceof DistillError) return error.message;
      throw error;
    }
  }

  /** Drop all but the first `length` tokens of a place's cache, or all where the model cannot drop some. */
  function keep(place: Place, length: number): void {
    const windowed = length > 0 && batches.getSequenceKvCacheMinPosition(place.id) > 0;
    if (length === 0 || windowed || !batches.removeTokenCellsFromSequence(place.id, length, -1)) {
      batches.disposeSequence(place.id);
      place.held = [];
    } else place.held.length = length;
  }

  /** Places that have not begun take what another place's cache has of their prompt, or wait until it has. */
  async function share(running: readonly Place[]): Promise<void> {
    for (const place of running) {
      const job = place.job!;
      if (job.started) continue;
      const own = place.held.length;
      let [best, ready] = [undefined as Place | undefined, own + COPY_FROM - 1];
      let coming = ready;
      for (const other of places) {
        if (other === place || (other.job && !other.job.started)) continue;
        const now = common(job.prompt, other);
        if (now > ready) [best, ready] = [other, now];
        // a prompt that is still being read
        if (other.job?.pending.length)
          coming = Math.max(coming, common(job.prompt, { held: [...other.held, ...other.job.pending] }));
      }
      if (coming > ready) continue;
      job.started = true;
      if (!best) continue;
      await batches.copySequenceStateFromOtherSequence(place.id, best.id);
      place.held = [...best.held];
      keep(place, ready);
      job.pending = job.prompt.slice(place.held.length);
    }
  }

  /** Put one token of each completion, then as much of the prompts as there is room for, into a batch. */
  function fillBatch(running: readonly Place[]): Output[] {
    const writing = running.filter(({ job }) => job!.started && job!.completion.token_ids.length > 0);
    const reading = running.filter(({ job }) => job!.started && job!.completion.token_ids.length === 0);
    const parts: [Place, number][] = writing.map((place) => [place, 1]);
    let room = batch_size - writing.length;
    for (const place of reading) {
      const count = Math.min(room, place.job!.pending.length);
      if (count > 0) parts.push([place, count]);
      room -= count;
    }
    batches.initBatch(parts.reduce((sum, [, count]) => sum + count, 0));
    const outputs: Output[] = [];
    for (const [place, count] of parts) {
      const job = place.job!;
      const { pending, sampler } = job;
      const last = count === pending.length ? [count - 1] : [];
      const tokens = pending.splice(0, count);
      const [index] = batches.addToBatch(place.id, place.held.length, new Uint32Array(tokens), new Uint32Array(last));
      for (const token of tokens) place.held.push(token);
      if (index !== undefined) outputs.push({ place, job, index, sampler });
    }
    return outputs;
  }

  /** Add a token to a job; what it generated if that was its last. */
  function accept(job: Job, token: number): Generation | undefined {
    if (token < 0) throw new Error("llama.cpp drew no token.");
    const { completion, prompt, limit, top } = job;
    const ended = endsText(token);
    if (ended) completion.token_ids.push(token);
    const stop = ended || completion.push(token);
    if (!stop && completion.token_ids.length < limit) {
      job.pending.push(token);
      return undefined;
    }
    const { token_ids } = completion;
    return {
      completion: completion.text(),
      token_ids,
      prompt_tokens: prompt.length,
      finish_reason: stop ? "stop" : "length",
      ...(stop ? { stopped_by: ended ? ("token" as const) : ("text" as const) } : {}),
      ...(top_logprobs > 0 ? { top_logprobs: top.slice(0, token_ids.length) } : {}),
    };
  }
}

/** How many tokens of a prompt a cache holds. The last one is decoded in any case, for its logits. */
function common(prompt: readonly number[], { held }: { held: readonly number[] }): number {
  const most = Math.min(held.length, prompt.length - 1);
  let n = 0;
  while (n < most && held[n] === prompt[n]) n++;
  return n;
}
