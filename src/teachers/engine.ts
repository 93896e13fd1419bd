/** @file A model of our families, in a Hugging Face folder, on the engine that trains students. */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { notContent } from "../core/component.ts";
import { DistillError, Stopped } from "../core/errors.ts";
import { contentHash, sha256 } from "../core/hash.ts";
import { several, threads, tokens } from "../core/sizes.ts";
import { promptTokens } from "../data/segments.ts";
import { templateOf } from "../data/templates.ts";
import { loadTokenizer } from "../data/tokenizer.ts";
import { vocabularyOf } from "../data/vocabulary.ts";
import { openScorer, type Scorer } from "../generation/logprobs.ts";
import { openSampler } from "../generation/sampler.ts";
import { createModel, loadWeights, readConfig } from "../models/load.ts";
import { DEVICES, openDevice } from "../runtime/device.ts";
import { tensor } from "../runtime/tensor.ts";
import {
  defineTeacher,
  type Finished,
  type GenerateOptions,
  type Generation,
  type SampleRequest,
  type Scored,
  type ScoreRequest,
  type Teacher,
  type TopLogprobs,
} from "./teacher.ts";

const Options = z.object({
  path: notContent(z.string().min(1)).describe(
    "A folder with config.json, safetensors and a tokenizer, such as a trained student's.",
  ),
  device: notContent(z.enum(DEVICES).default("auto")).describe(
    "What it runs on; auto takes the one that multiplies fastest.",
  ),
  threads: notContent(threads.default(0)).describe("Threads on the CPU; 0 is one a core."),
  sequences: notContent(several.max(1024).default(64)).describe("Completions that are drawn side by side."),
  context_size: tokens
    .optional()
    .describe("Tokens of prompt and completion; as many as the model knows positions unless given."),
  chat_template: z.string().min(1).optional().describe('"plain", "r1" or a Jinja text; the model\'s own unless given.'),
});
type Options = z.output<typeof Options>;

export const engine = defineTeacher({
  options: Options.describe("A model of our families, in a Hugging Face folder, on the engine that trains students."),
  folder: { template: (path) => loadTokenizer(path).template },
  create: open,
  model: ({ path }) => ({
    config: configOf(path),
    source: path,
    weights: (parameters) => loadWeights(path, { parameters }),
    vocabulary: () => vocabularyOf(loadTokenizer(path)),
  }),
});

/** Texts that are scored together. */
const TEXTS = 64;

async function open(options: Options): Promise<Teacher> {
  const { path, sequences } = options;
  const model = createModel(configOf(path), join(path, "config.json"));
  const tokenizer = loadTokenizer(path);
  const context_size = Math.min(options.context_size ?? Number.POSITIVE_INFINITY, model.max_position_embeddings);
  const render = templateOf(options.chat_template, tokenizer.template, path, tokenizer.written);
  const device = await openDevice(options.device, { threads: options.threads });
  const scorers = new Map<number, Scorer>();
  try {
    for (const { name, shape, data } of loadWeights(path, model))
      await device.write(name, tensor("float32", shape, data));
  } catch (error) {
    await device.close();
    throw error;
  }
  const sampler = openSampler(device, model, { stops: tokenizer.stops, source: path });

  /** The most likely tokens at each token of completions. */
  async function top(
    texts: readonly { prompt: readonly number[]; completion: readonly number[] }[],
    k: number,
  ): Promise<TopLogprobs[][]> {
    const scorer = scorers.get(k) ?? openScorer(device, model, { max_length: context_size, top: k, source: path });
    scorers.set(k, scorer);
    const scores = await scorer.score(texts);
    return scores.map(({ top }) =>
      Array.from({ length: top!.tail.length }, (_, i) => ({
        ids: [...top!.ids.subarray(i * k, (i + 1) * k)],
        logprobs: [...top!.logprobs.subarray(i * k, (i + 1) * k)],
      })),
    );
  }

  function refused(tokens: readonly number[]): string | undefined {
    if (tokens.length === 0) return `The prompt is empty, and ${path} continues none.`;
    if (tokens.length < context_size) return undefined;
    return `The prompt has ${tokens.length} tokens, which leaves no room for a completion in a context_size of ${context_size}.`;
  }

  async function* generate(requests: Iterable<SampleRequest>, asked: GenerateOptions): AsyncGenerator<Finished> {
    const wrong: Finished[] = [];
    const taken: { index: number; prompt: number[] }[] = [];
    function* continued() {
      let index = 0;
      for (const { prompt, seed } of requests) {
        const tokens = promptTokens(prompt, tokenizer);
        const error = refused(tokens);
        if (error !== undefined) wrong.push({ index: index++, error });
        else {
          taken.push({ index: index++, prompt: tokens });
          yield { tokens, seed };
        }
      }
    }
    const { top_logprobs, stop, onText, ...drawing } = asked;
    const grown = (index: number, tokens: readonly number[]) => {
      const { index: request, prompt } = taken[index]!;
      const finish_reason = tokenizer.stops.includes(tokens.at(-1)!) ? "stop" : "length";
      onText!(request, cut({ tokens: [...tokens], finish_reason }, stop, prompt.length).completion);
    };
    const settings = { ...drawing, sequences, context_size, onText: onText && grown };
    const proceed = device.heed(asked.signal);
    try {
      for await (const { index, tokens, finish_reason } of sampler.generate(continued(), settings)) {
        yield* wrong.splice(0);
        const { index: request, prompt } = taken[index]!;
        const generation = cut({ tokens, finish_reason }, stop, prompt.length);
        if (top_logprobs > 0)
          generation.top_logprobs = (await top([{ prompt, completion: generation.token_ids }], top_logprobs))[0]!;
        yield { index: request, generation };
      }
      yield* wrong;
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    } finally {
      await proceed();
    }
  }

  /** What was generated, up to the first text that ends it. */
  function cut(
    { tokens, finish_reason }: { tokens: number[]; finish_reason: "stop" | "length" },
    stop: readonly string[],
    prompt_tokens: number,
  ): Generation {
    const text = tokenizer.decode(finish_reason === "stop" ? tokens.slice(0, -1) : tokens);
    const at = Math.min(...stop.map((words) => text.indexOf(words)).filter((place) => place >= 0));
    if (!Number.isFinite(at)) {
      const by = finish_reason === "stop" ? { stopped_by: "token" as const } : {};
      return { completion: text, token_ids: tokens, prompt_tokens, finish_reason, ...by };
    }
    let count = 1;
    while (tokenizer.decode(tokens.slice(0, count)).length <= at) count++;
    const token_ids = tokens.slice(0, count);
    return { completion: text.slice(0, at), token_ids, prompt_tokens, finish_reason: "stop", stopped_by: "text" };
  }

  async function* score(
    requests: Iterable<ScoreRequest>,
    {
      top_logprobs,
      signal,
      onTokens,
    }: { top_logprobs: number; signal?: AbortSignal; onTokens?: (tokens: number) => void },
  ): AsyncGenerator<Scored> {
    let [index, read] = [0, 0];
    let texts: { index: number; prompt: readonly number[]; completion: readonly number[] }[] = [];
    async function* scored(): AsyncGenerator<Scored> {
      const found = await top(texts, top_logprobs);
      read += texts.reduce((sum, { prompt, completion }) => sum + prompt.length + completion.length, 0);
      onTokens?.(read);
      for (const [i, { index }] of texts.entries()) yield { index, top_logprobs: found[i]! };
      texts = [];
    }
    const proceed = device.heed(signal);
    try {
      for (const { tokens, from } of requests) {
        if (signal?.aborted) return;
        if (tokens.length > context_size)
          yield {
            index: index++,
            error: `The text has ${tokens.length} tokens, and the teacher a context_size of ${context_size}.`,
          };
        else texts.push({ index: index++, prompt: tokens.slice(0, from), completion: tokens.slice(from) });
        if (texts.length >= TEXTS) yield* scored();
      }
      if (texts.length > 0 && !signal?.aborted) yield* scored();
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    } finally {
      await proceed();
    }
  }

  return {
    model: basename(path),
    hash: hashOf(path),
    render: (messages) => render(messages, { generate: true }),
    generate,
    score,
    vocabulary: () => vocabularyOf(tokenizer),
    async close() {
      await sampler.close();
      for (const scorer of scorers.values()) await scorer.close();
      await device.close();
    },
  };
}

function configOf(path: string) {
  if (!existsSync(join(path, "config.json")))
    throw new DistillError(
      `${path} holds no model: expected a folder with config.json, safetensors and tokenizer.json.`,
    );
  return readConfig(path);
}

/** Of what its answers are computed from. */
function hashOf(path: string): string {
  const files = [
    "config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
  ];
  return contentHash(files.map((file) => (existsSync(join(path, file)) ? sha256(join(path, file)) : null)));
}
