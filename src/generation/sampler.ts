/**
 * @file Texts continued by a model whose weights are states of a device. The cache of keys and values stays on the device;
 * weights may change between calls.
 */

import { DistillError } from "../core/errors.ts";
import { seededRandom } from "../core/random.ts";
import { input, type Value } from "../graph/value.ts";
import type { Model } from "../models/model.ts";
import { linear } from "../nn/linear.ts";
import { Cast, Concat, Gather, Reshape, Slice } from "../ops/index.ts";
import { position } from "../ops/movement.ts";
import type { Device, Program } from "../runtime/device.ts";
import { type Tensor, tensor } from "../runtime/tensor.ts";
import { type DrawOptions, drawToken } from "./draw.ts";
import { notFinite } from "./finite.ts";

export type SamplerOptions = {
  /** Tokens that end a text. */
  stops: readonly number[];
  /** The most tokens of a text, its prompt among them. */
  context_size: number;
  /** Texts that are continued side by side. */
  sequences?: number;
  /** What errors call the model. */
  name?: string;
};

/** A text to continue. The same with the same seed is continued by the same tokens, up to rounding, whatever is beside it. */
export type Request = { tokens: readonly number[]; seed: number };

export type Continuation = {
  index: number;
  /** With the stop token, where one ended it. */
  tokens: number[];
  /** Of each token, by the model's own distribution at temperature 1. */
  logprobs: number[];
  finish_reason: "stop" | "length";
};

export type ContinueOptions = DrawOptions & {
  max_completion_length: number;
  signal?: AbortSignal | undefined;
  /** Called after each step with the number of tokens drawn so far. */
  onTokens?: ((tokens: number) => void) | undefined;
};

export type Sampler = {
  /** Continue each text. They come in the order in which they end; those that are not ended when `signal` says so do not. */
  generate(requests: Iterable<Request>, options: ContinueOptions): AsyncGenerator<Continuation>;
  /** Free the cache. */
  close(): Promise<void>;
};

/** Texts side by side unless given. */
const SEQUENCES = 64;

/** Tokens in the recent part of the cache before they are joined to the rest, and the share of ended texts that are kept. */
const RECENT = 32;
const ENDED = 0.2;

/** Elements of the scores of prompts that are read at once: 256 MiB of float32. */
const SCORES = 2 ** 26;

/** Compile the programs of a sampler: reading prompts, a step with and without a recent part, and joining the parts. */
export async function openSampler(device: Device, model: Model, options: SamplerOptions): Promise<Sampler> {
  const { context_size, sequences = SEQUENCES, name = "The model" } = options;
  const stops = new Set(options.stops);
  const vocab = model.head.shape[0] as number;
  const programs = await compile(device, model, context_size);
  const { pasts, recents } = programs;

  /** Logits behind the prompts, whose cache becomes the past. Prompts that several share are read once. */
  async function read(texts: readonly Text[]): Promise<Float32Array> {
    const different = new Map<string, number>();
    const rows = texts.map(({ request: { tokens } }) => {
      const key = tokens.join();
      const row = different.get(key) ?? different.size;
      different.set(key, row);
      return row;
    });
    const first = [...different.values()].map((row) => texts[rows.indexOf(row)]!);
    const longest = Math.max(...first.map(({ request }) => request.tokens.length));
    const ids = new Int32Array(first.length * longest);
    const positions = new BigInt64Array(first.length * longest);
    for (const [i, { request }] of first.entries()) {
      const padding = longest - request.tokens.length;
      for (const [at, token] of request.tokens.entries()) {
        ids[i * longest + padding + at] = token;
        positions[i * longest + padding + at] = BigInt(at);
      }
    }
    const given = await programs.read.run({
      input_ids: tensor("int32", [first.length, longest], ids),
      positions: tensor("int64", [first.length, longest], positions),
      keys: places(longest, [1, 1, 1, longest]),
      queries: places(longest, [1, 1, longest, 1]),
      starts: starts(first.map(({ request }) => longest - request.tokens.length)),
    });
    for (const text of texts) text.padding = longest - text.request.tokens.length;
    if (first.length < texts.length) await programs.pick.run({ rows: tensor("int32", [rows.length], rows) });
    const logits = given.logits!.data as Float32Array;
    if (first.length === texts.length) return logits;
    const all = new Float32Array(texts.length * vocab);
    for (const [i, row] of rows.entries()) all.set(logits.subarray(row * vocab, (row + 1) * vocab), i * vocab);
    return all;
  }

  /** Logits behind one more token of each text; `past` tokens are in the one part of the cache, `recent` in the other. */
  async function step(texts: readonly Text[], past: number, recent: number): Promise<Float32Array> {
    const total = past + recent + 1;
    const feeds: Record<string, Tensor> = {
      input_ids: tensor(
        "int32",
        [texts.length],
        texts.map(({ tokens }) => tokens.at(-1)!),
      ),
      positions: tensor(
        "int64",
        [texts.length, 1],
        texts.map(({ request, tokens }) => request.tokens.length + tokens.length - 1),
      ),
      keys: places(total, [1, 1, 1, total]),
      queries: tensor("float32", [1, 1, 1, 1], [total - 1]),
      starts: starts(texts.map(({ padding }) => padding)),
      past_length: tensor("int64", [1], [past]),
      total_length: tensor("int64", [1], [total]),
    };
    const { logits } = await (recent > 0 ? programs.next : programs.first).run(feeds);
    return logits!.data as Float32Array;
  }

  /** Draw a token of each text. */
  function draw(texts: readonly Text[], logits: Float32Array, options: ContinueOptions): void {
    for (const [i, text] of texts.entries()) {
      if (text.ended) continue;
      const own = logits.subarray(i * vocab, (i + 1) * vocab);
      const token = drawToken(own, options, text.uniform);
      if (token === undefined) throw notFinite(name, `for text ${text.index}`);
      text.tokens.push(token);
      text.logprobs.push(own[token]! - logSumExp(own));
      const { length } = text.tokens;
      if (stops.has(token)) text.ended = "stop";
      else if (length >= options.max_completion_length || text.request.tokens.length + length >= context_size)
        text.ended = "length";
    }
  }

  /** Continue texts until all have ended. */
  async function* together(texts: Text[], options: ContinueOptions, count: (tokens: number) => void) {
    let logits = await read(texts);
    let past = Math.max(...texts.map(({ request }) => request.tokens.length));
    let recent = 0;
    let open = texts;
    while (!options.signal?.aborted) {
      draw(open, logits, options);
      const going = open.filter(({ ended }) => !ended);
      count(going.length + open.filter(({ ended, given }) => ended && !given).length);
      for (const text of open)
        if (text.ended && !text.given) {
          text.given = true;
          const { index, tokens, logprobs } = text;
          yield { index, tokens, logprobs, finish_reason: text.ended };
        }
      if (going.length === 0) return;
      const drops = going.length <= (1 - ENDED) * open.length;
      if (drops || recent >= RECENT) {
        const rows = going.map((text) => open.indexOf(text));
        const kept = { rows: tensor("int32", [rows.length], rows) };
        await (recent > 0 ? programs.join : programs.pick).run(kept);
        if (recent > 0) await device.forget(...recents);
        [past, recent, open] = [past + recent, 0, going];
      }
      logits = await step(open, past, recent++);
    }
  }

  return {
    async *generate(requests, options) {
      let drawn = 0;
      const count = (tokens: number) => {
        drawn += tokens;
        options.onTokens?.(drawn);
      };
      let texts: Text[] = [];
      let index = 0;
      const full = (next: Text) => {
        const longest = Math.max(...[...texts, next].map(({ request }) => request.tokens.length));
        return texts.length >= sequences || (texts.length + 1) * model.num_heads * longest ** 2 > SCORES;
      };
      for (const request of requests) {
        if (options.signal?.aborted) return;
        const next = textOf(request, index++);
        if (texts.length > 0 && full(next)) {
          yield* together(texts, options, count);
          texts = [];
        }
        texts.push(next);
      }
      if (texts.length > 0 && !options.signal?.aborted) yield* together(texts, options, count);
    },
    async close() {
      const states = new Set(await device.states());
      await device.forget(...[...pasts, ...recents].filter((state) => states.has(state)));
    },
  };

  function textOf(request: Request, index: number): Text {
    const { length } = request.tokens;
    if (length === 0) throw new DistillError(`Text ${index} has no tokens, and there is nothing to continue.`);
    if (length >= context_size)
      throw new DistillError(
        `Text ${index} has ${length} tokens, which leaves no room to continue it in ${context_size}. Leave it out, or make more room.`,
      );
    const uniform = seededRandom(request.seed).uniform;
    return { index, request, tokens: [], logprobs: [], padding: 0, uniform, ended: undefined, given: false };
  }
}

/** A text as it grows. */
type Text = {
  index: number;
  request: Request;
  tokens: number[];
  logprobs: number[];
  /** Places before it, in the batch that it is in. */
  padding: number;
  uniform: () => number;
  ended: Continuation["finish_reason"] | undefined;
  given: boolean;
};

const places = (count: number, shape: readonly number[]): Tensor =>
  tensor(
    "float32",
    shape,
    Float32Array.from({ length: count }, (_, i) => i),
  );

const starts = (paddings: readonly number[]): Tensor => tensor("float32", [paddings.length, 1, 1, 1], paddings);

function logSumExp(logits: Float32Array): number {
  let max = Number.NEGATIVE_INFINITY;
  for (const x of logits) if (x > max) max = x;
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - max);
  return max + Math.log(sum);
}

type Programs = {
  read: Program;
  first: Program;
  next: Program;
  join: Program;
  pick: Program;
  /** The states of the two parts of the cache. */
  pasts: readonly string[];
  recents: readonly string[];
};

async function compile(device: Device, model: Model, context_size: number): Promise<Programs> {
  const { layers, num_key_value_heads, head_dim } = model.cache;
  const { dtype } = model.head;
  const names = (part: string) =>
    Array.from({ length: layers }, (_, i) => [`${part}/${i}/key`, `${part}/${i}/value`]).flat();
  const cacheOf = (part: string, length: string) => {
    const cached = (name: string) => input(name, dtype, ["batch", num_key_value_heads, length, head_dim]);
    return Array.from({ length: layers }, (_, i) => ({
      key: cached(`${part}/${i}/key`),
      value: cached(`${part}/${i}/value`),
    }));
  };
  const flat = (caches: readonly { key: Value; value: Value }[]) => caches.flatMap(({ key, value }) => [key, value]);
  const [pasts, recents] = [names("past"), names("recent")];
  // an output may not have the name of an input
  const compiled = async (outputs: Record<string, Value>, kept: readonly Value[], states: readonly string[]) => {
    const named = Object.fromEntries(kept.map((value, i): [string, Value] => [`next ${states[i]!}`, value]));
    const program = await device.compile({ ...outputs, ...named }, { keep: Object.keys(named) });
    const writes = Object.fromEntries(states.map((state) => [`next ${state}`, state]));
    return { ...program, run: (feeds: Record<string, Tensor>) => program.run(feeds, { writes }) };
  };
  const logitsOf = (hidden: Value) => {
    const logits = linear(hidden, model.head);
    return dtype === "float32" ? logits : Cast(logits, { to: "float32" });
  };
  const at = (keys: string, queries: readonly (number | string)[]) => ({
    keys: input("keys", "float32", [1, 1, 1, keys]),
    queries: input("queries", "float32", queries),
    starts: input("starts", "float32", ["batch", 1, 1, 1]),
  });

  const prompts = model.read(
    {
      input_ids: input("input_ids", "int32", ["batch", "new"]),
      positions: input("positions", "int64", ["batch", "new"]),
      ...at("new", [1, 1, "new", 1]),
    },
    context_size,
  );
  const width = prompts.hidden.shape[2]!;
  const last = Slice(prompts.hidden, position(-1), position(2 ** 31 - 1), { axis: 1, size: 1 });
  const read = await compiled(
    { logits: logitsOf(Reshape(last, { shape: ["batch", width] })) },
    flat(prompts.present),
    pasts,
  );

  const past = cacheOf("past", "past");
  const recent = cacheOf("recent", "recent");
  const stepOf = async (withRecent: boolean) => {
    const { hidden, recent: now } = model.step(
      {
        input_ids: input("input_ids", "int32", ["batch"]),
        positions: input("positions", "int64", ["batch", 1]),
        ...at("total", [1, 1, 1, 1]),
        lengths: { past: input("past_length", "int64", [1]), total: input("total_length", "int64", [1]) },
        earlier: past.map((part, i) => ({ past: part, recent: withRecent ? recent[i] : undefined })),
      },
      context_size,
    );
    return compiled({ logits: logitsOf(hidden) }, flat(now), recents);
  };
  const first = await stepOf(false);
  const next = await stepOf(true);

  const rows = input("rows", "int32", ["kept"]);
  const picked = (value: Value) => Gather(value, rows);
  const joined = flat(past).map((old, i) => Concat(old, flat(recent)[i]!, { axis: 2, size: "joined" }));
  const join = await compiled({}, joined.map(picked), pasts);
  const pick = await compiled({}, flat(past).map(picked), pasts);
  return { read, first, next, join, pick, pasts, recents };
}
