/** @file A GGUF model in this process, on llama.cpp. */

import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import type { Llama, LlamaContext, LlamaModel } from "node-llama-cpp";
import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { type ChatTemplate, chatTemplate } from "../data/chat-template.ts";
import type { Metadata } from "../formats/gguf.ts";
import { openGguf } from "../formats/gguf-reader.ts";
import { addonOf } from "./llama-cpp/addon.ts";
import { decode, type EngineOptions, type Finished } from "./llama-cpp/engine.ts";
import { tokenBytes } from "./llama-cpp/vocabulary.ts";
import { defineTeacher, type GenerateOptions, type SampleRequest, type Teacher } from "./teacher.ts";
import { TEMPLATES } from "./templates.ts";

const size = z.int().positive();

const Options = z.object({
  /** A GGUF file. */
  path: z.string().min(1),
  /** Completions that are drawn side by side. */
  sequences: size.default(32),
  /** Tokens of prompt and completion, for each sequence. */
  context_size: size.default(2048),
  /** Tokens decoded at once; at least one for each sequence. */
  batch_size: size.optional(),
  gpu: z.union([z.enum(["auto", "cuda", "vulkan", "metal"]), z.literal(false)]).default("auto"),
  threads: size.optional(),
  /** "r1", or a Jinja text; the model's own unless given. */
  chat_template: z.string().min(1).optional(),
});
type Options = z.output<typeof Options>;

export const llama_cpp = defineTeacher({ options: Options, create: open });

async function open(options: Options): Promise<Teacher> {
  const { path, sequences, context_size } = options;
  const metadata = readMetadata(path);
  const hashing = sha256(path);
  hashing.catch(() => {}); // it is awaited once the model is loaded
  const { llama, complaints } = await startLlama(options.gpu);
  complaints(); // those of before
  const share = shares(options, llama);
  const batch_size = Math.max(options.batch_size ?? 512, share.sequences);
  const failed = (what: string, error: unknown): never => {
    const why = [(error as Error).message, complaints().trim()].filter(Boolean).join(": ");
    throw new DistillError(`llama.cpp cannot ${what} ${path}: ${why.replace(/[.\s]+$/, "")}.`);
  };
  const model = await llama.loadModel({ modelPath: path }).catch((error) => failed("load", error));
  const contexts: LlamaContext[] = [];
  const dispose = async () => {
    // first: a context that nothing refers to is collected, and its model waits for it for ever
    for (const context of contexts) await context.dispose();
    await model.dispose();
  };
  try {
    const engines: EngineOptions[] = [];
    for (let i = 0; i < share.contexts; i++) {
      const context = await model
        .createContext({
          sequences: share.sequences,
          contextSize: context_size,
          batchSize: batch_size,
          failedCreationRemedy: false,
          ...(share.threads ? { threads: share.threads } : {}),
        })
        .catch((error) => failed(`make room for ${sequences} sequences of ${context_size} tokens of`, error));
      contexts.push(context);
      engines.push({
        addon: addonOf(llama, model, context),
        sequences: share.sequences,
        context_size,
        batch_size,
        bytesOf: tokenBytes(metadata, (token) => model.detokenize([token as never], true)),
        endsText: endsText(model),
        tokenize: tokenizer(model, options),
      });
    }
    // a native object's own method cannot be assigned to
    if (llama.gpu === "vulkan")
      for (const { addon } of engines)
        Object.defineProperty(addon.batches, "decodeBatch", { value: oneAtATime(addon.batches) });
    const hash = await hashing;
    const render = templateOf(options, metadata, model);
    let busy: Promise<void> | undefined;
    return {
      model: basename(path),
      hash,
      render: (messages) => render(messages, { generate: true }),
      async *generate(requests, generateOptions) {
        if (busy) throw new Error("This teacher is generating already; it has one context.");
        const queue = finishedOnes(engines, requests, generateOptions);
        busy = queue.done;
        try {
          yield* queue.items();
        } finally {
          queue.stop();
          await queue.done.catch(() => {}); // items() has thrown its error
          busy = undefined;
        }
      },
      async close() {
        await busy?.catch(() => {});
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Up to this size of the file, in bytes, a model is small. */
const SMALL_MODEL = 256 * 2 ** 20;

/**
 * How a context is shared out. On the CPU a small model gets a context of its own for each thread: threads that wait for
 * each other behind every small product cost more than they bring.
 */
function shares({ path, sequences, threads }: Options, llama: Llama) {
  if (llama.gpu !== false || statSync(path).size > SMALL_MODEL) return { contexts: 1, sequences, threads };
  const contexts = Math.min(threads ?? availableParallelism(), sequences);
  return { contexts, sequences: Math.ceil(sequences / contexts), threads: 1 };
}

/** What the file says of itself, once it is known to be whole: llama.cpp ends the process over some broken files. */
function readMetadata(path: string): Metadata {
  const file = openGguf(path);
  file.close();
  const { metadata } = file;
  if (metadata.get("general.architecture")?.type !== "string")
    throw new DistillError(`${path} is a GGUF file without "general.architecture"; it is not a model.`);
  const tokens = metadata.get("tokenizer.ggml.tokens");
  if (tokens?.type !== "array" || tokens.of !== "string")
    throw new DistillError(`${path} has no vocabulary ("tokenizer.ggml.tokens"), so nothing can be asked of it.`);
  const texts = tokens.value.filter((text) => text !== "");
  if (new Set(texts).size !== texts.length)
    throw new DistillError(`${path} has the same token twice in its vocabulary, which llama.cpp does not survive.`);
  return metadata;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return hash.digest("hex");
}

/** llama.cpp for each kind of GPU, started once. What it says of errors goes into the message of the next one. */
const started = new Map<Options["gpu"], Promise<{ llama: Llama; complaints: () => string }>>();

function startLlama(gpu: Options["gpu"]) {
  const start = async () => {
    const { getLlama, LlamaLogLevel } = await import("node-llama-cpp"); // slow to load, and only this teacher needs it
    let said = "";
    const llama = await getLlama({
      gpu,
      build: "never",
      progressLogs: false,
      logLevel: LlamaLogLevel.error,
      logger: (_, message) => {
        said = `${said} ${message.trim()}`.slice(-1000);
      },
    }).catch((error) => {
      throw new DistillError(
        `llama.cpp cannot be started with gpu ${gpu}: ${(error as Error).message}. Try gpu: auto, or gpu: false.`,
      );
    });
    const complaints = () => {
      const message = said;
      said = "";
      return message;
    };
    return { llama, complaints };
  };
  const running = started.get(gpu) ?? start();
  started.set(gpu, running);
  running.catch(() => started.delete(gpu));
  return running;
}

function templateOf({ path, chat_template }: Options, metadata: Metadata, model: LlamaModel): ChatTemplate {
  const own = metadata.get("tokenizer.chat_template");
  const source = chat_template ? (TEMPLATES[chat_template] ?? chat_template) : own?.type === "string" ? own.value : "";
  if (!source)
    return () => {
      const known = Object.keys(TEMPLATES).join(", ");
      throw new DistillError(`${path} has no chat template. Set chat_template to one of ${known}, or to a Jinja text.`);
    };
  const { bosString, eosString } = model.tokens;
  const where = chat_template ? `chat_template` : `The chat template of ${path}`;
  return chatTemplate(source, where, { bos: bosString ?? "", eos: eosString ?? "" });
}

function tokenizer(model: LlamaModel, { path, context_size }: Options) {
  const { bos, shouldPrependBosToken } = model.tokens;
  return ({ prompt }: SampleRequest, index: number): number[] => {
    const tokens: number[] = model.tokenize(prompt, true);
    if (shouldPrependBosToken && bos !== null && tokens[0] !== bos) tokens.unshift(bos);
    if (tokens.length === 0) throw new DistillError(`Request ${index} has an empty prompt; ${path} continues none.`);
    if (tokens.length >= context_size)
      throw new DistillError(
        `The prompt of request ${index} has ${tokens.length} tokens, which leaves no room for a completion in a context_size of ${context_size}.`,
      );
    return tokens;
  };
}

function endsText(model: LlamaModel): (token: number) => boolean {
  const known = new Map<number, boolean>();
  return (token) => {
    const ends = known.get(token) ?? model.isEogToken(token as never);
    known.set(token, ends);
    return ends;
  };
}

/** Vulkan does not survive two contexts that decode at once: batches of all teachers wait for one another. */
let vulkan: Promise<unknown> = Promise.resolve();
function oneAtATime(batches: EngineOptions["addon"]["batches"]): () => Promise<void> {
  const decodeBatch = batches.decodeBatch.bind(batches);
  return () => {
    const turn = vulkan.then(decodeBatch, decodeBatch);
    vulkan = turn;
    return turn;
  };
}

/** Decoding in the background: it goes on while the reader is busy, until too many generations wait for it. */
function finishedOnes(engines: readonly EngineOptions[], requests: Iterable<SampleRequest>, options: GenerateOptions) {
  const room = engines.reduce((sum, { sequences }) => sum + sequences, 0);
  const waiting: Finished[] = [];
  let over = false;
  let stopping = false;
  let wakeReader = () => {};
  let wakeWriters: (() => void)[] = [];
  const goOn = () => {
    for (const wake of wakeWriters) wake();
    wakeWriters = [];
  };
  const emit = (finished: Finished): void | Promise<void> => {
    waiting.push(finished);
    wakeReader();
    if (waiting.length < 4 * room || stopping) return;
    return new Promise((resolve) => {
      wakeWriters.push(resolve);
    });
  };
  const stopped = () => stopping || Boolean(options.signal?.aborted);
  const source = numbered(requests);
  const generated = engines.map(() => 0);
  const running = engines.map((engine, i) => {
    const onTokens = (tokens: number) => {
      generated[i] = tokens;
      options.onTokens?.(generated.reduce((a, b) => a + b));
    };
    return decode(engine, source, { ...options, onTokens }, emit, stopped).catch((error) => {
      stopping = true;
      goOn();
      throw error;
    });
  });
  const done = Promise.allSettled(running).then((results) => {
    source.return(undefined);
    over = true;
    wakeReader();
    for (const result of results) if (result.status === "rejected") throw result.reason;
  });
  done.catch(() => {}); // items() throws it
  return {
    done,
    stop() {
      stopping = true;
      goOn();
    },
    async *items(): AsyncGenerator<Finished> {
      while (true) {
        while (waiting.length > 0) {
          yield waiting.shift()!;
          if (waiting.length < 2 * room) goOn();
        }
        if (over) return await done;
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
      }
    },
  };
}

function* numbered(requests: Iterable<SampleRequest>): Generator<[number, SampleRequest], undefined> {
  let index = 0;
  for (const request of requests) yield [index++, request];
}
