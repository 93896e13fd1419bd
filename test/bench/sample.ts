/**
 * @file npm run bench:sample: tokens a second that the llama_cpp teacher generates with 1, 8, 32 and 64 sequences, and
 * as a multiple of the fastest plain loop over node-llama-cpp's own API, alternating in the same run. cpu_ratio compares
 * processor time instead, which other work on the machine disturbs less.
 * Options: --model FILE.gguf, --rounds N, --tokens N (in a completion), --sequences N (may be repeated), --threads N,
 * --gpu auto|cuda|vulkan|metal|none, --json; --server compares with llama-server instead.
 */

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { type LlamaContextSequence, LlamaLogLevel, type Token } from "node-llama-cpp";
import { llama_cpp } from "../../src/teachers/llama_cpp.ts";
import { getLlama } from "../../src/teachers/llama-cpp/variant.ts";
import type { GenerateOptions, SampleRequest } from "../../src/teachers/teacher.ts";
import { median } from "./median.ts";
import { randomGguf } from "./sample-model.ts";
import { benchServer } from "./sample-server.ts";

const { values: options } = parseArgs({
  options: {
    model: { type: "string" },
    rounds: { type: "string", default: "5" },
    tokens: { type: "string", default: "64" },
    sequences: { type: "string", multiple: true, default: ["1", "8", "32", "64"] },
    threads: { type: "string", default: String(availableParallelism()) },
    gpu: { type: "string", default: "none" },
    json: { type: "boolean", default: false },
    server: { type: "boolean", default: false },
  },
});
if (options.server) {
  const { rounds, threads } = options;
  await benchServer({ rounds: Number(rounds), tokens: Number(options.tokens), threads: Number(threads) });
  process.exit();
}
const path = options.model ?? (await randomGguf());
const gpu = options.gpu === "none" ? false : (options.gpu as "auto");
const threads = Number(options.threads);
const context_size = 512;
const sampling: GenerateOptions = {
  temperature: 1,
  top_p: 1,
  top_k: 0,
  min_p: 0,
  max_completion_length: Number(options.tokens),
  stop: [],
  top_logprobs: 0,
};

/** Four samples of each prompt, as rejection sampling asks for them; two for each sequence and at least eight. */
const requestsFor = (sequences: number): SampleRequest[] =>
  Array.from({ length: Math.max(8, 2 * sequences) }, (_, i) => ({
    prompt: `${100 + (i >> 2)}*${48 + (i >> 2)}+5=?`,
    seed: i,
  }));

const llama = await getLlama({ gpu, build: "never", logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath: path });

type Contestant = { round(requests: readonly SampleRequest[]): Promise<number>; close(): Promise<void> };

async function ours(sequences: number): Promise<Contestant> {
  const teacher = await llama_cpp.create(llama_cpp.options.parse({ path, sequences, context_size, gpu, threads }));
  return {
    async round(requests) {
      let tokens = 0;
      for await (const { generation } of teacher.generate(requests, sampling)) tokens += generation!.token_ids.length;
      return tokens;
    },
    close: () => teacher.close(),
  };
}

/** One completion on a sequence, what it holds of the prompt kept. */
async function* completion(sequence: LlamaContextSequence, { prompt, seed }: SampleRequest): AsyncGenerator<Token> {
  const tokens = model.tokenize(prompt, true);
  if (model.tokens.shouldPrependBosToken && model.tokens.bos !== null) tokens.unshift(model.tokens.bos);
  await sequence.adaptStateToTokens(tokens.slice(0, -1), false);
  if (sequence.nextTokenIndex >= tokens.length)
    await sequence.eraseContextTokenRanges([{ start: tokens.length - 1, end: sequence.nextTokenIndex }]);
  const all: Token[] = [];
  const drawing = { temperature: 1, topK: 0, topP: 1, minP: 0, seed, yieldEogToken: true };
  for await (const token of sequence.evaluate(tokens.slice(sequence.nextTokenIndex), drawing)) {
    all.push(token);
    yield token;
    if (all.length === sampling.max_completion_length || model.isEogToken(token)) break;
  }
  model.detokenize(all, true);
}

async function plain(sequences: number, lockStep: boolean): Promise<Contestant> {
  const context = await model.createContext({
    sequences,
    contextSize: context_size,
    batchSize: Math.max(512, sequences),
    threads,
  });
  const places = Array.from({ length: sequences }, () => context.getSequence());
  return {
    async round(requests) {
      const source = requests[Symbol.iterator]();
      let count = 0;
      if (!lockStep) {
        await Promise.all(
          places.map(async (place) => {
            for (const request of source) for await (const _ of completion(place, request)) count++;
          }),
        );
        return count;
      }
      // all places draw one token, then all the next one
      const running = new Map<LlamaContextSequence, AsyncGenerator<Token>>();
      const start = (place: LlamaContextSequence) => {
        const { value, done } = source.next();
        if (done) running.delete(place);
        else running.set(place, completion(place, value));
      };
      places.forEach(start);
      const step = async ([place, tokens]: [LlamaContextSequence, AsyncGenerator<Token>]) => {
        while (true) {
          const { done } = await tokens.next();
          if (!done) {
            count++;
            return;
          }
          start(place);
          const next = running.get(place);
          if (!next) return;
          tokens = next;
        }
      };
      while (running.size > 0) await Promise.all([...running].map(step));
      return count;
    },
    close: () => context.dispose(),
  };
}

const rows: Record<string, number | string>[] = [];
for (const sequences of options.sequences.map(Number)) {
  const contestants = {
    ours: await ours(sequences),
    loops: await plain(sequences, false),
    lock_step: await plain(sequences, true),
  };
  const rates: Record<string, number[]> = { ours: [], loops: [], lock_step: [] };
  const ratios: number[] = [];
  const cpuRatios: number[] = [];
  const requests = requestsFor(sequences);
  for (let round = -1; round < Number(options.rounds); round++) {
    const rate: Record<string, number> = {};
    const perCpu: Record<string, number> = {};
    for (const [name, contestant] of Object.entries(contestants)) {
      const start = performance.now();
      const before = process.cpuUsage();
      const tokens = await contestant.round(requests);
      const { user, system } = process.cpuUsage(before);
      rate[name] = (1000 * tokens) / (performance.now() - start);
      perCpu[name] = tokens / (user + system);
    }
    if (round < 0) continue; // warming up
    for (const name of Object.keys(rates)) rates[name]!.push(rate[name]!);
    ratios.push(rate.ours! / Math.max(rate.loops!, rate.lock_step!));
    cpuRatios.push(perCpu.ours! / Math.max(perCpu.loops!, perCpu.lock_step!));
  }
  for (const contestant of Object.values(contestants)) await contestant.close();
  const row = {
    sequences,
    tokens_per_s: Math.round(median(rates.ours!)),
    plain_loops: Math.round(median(rates.loops!)),
    plain_lock_step: Math.round(median(rates.lock_step!)),
    ratio: Number(median(ratios).toFixed(3)),
    cpu_ratio: Number(median(cpuRatios).toFixed(3)),
  };
  rows.push(row);
  if (!options.json)
    console.log(
      Object.entries(row)
        .map(([key, value]) => `${key} ${value}`)
        .join(" · "),
    );
}
if (options.json) console.log(JSON.stringify({ model: path, threads, rows }));
await model.dispose();
await llama.dispose();
