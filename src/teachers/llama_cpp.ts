/** @file A GGUF model in this process, on llama.cpp. */

import { createHash } from "node:crypto";
import { createReadStream, existsSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename } from "node:path";
import type { LlamaContext, LlamaModel } from "node-llama-cpp";
import { z } from "zod";
import { notContent } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { availableMemory } from "../core/memory.ts";
import { several, tokens } from "../core/sizes.ts";
import { templateOf } from "../data/templates.ts";
import type { Metadata } from "../formats/gguf.ts";
import { otherPieces } from "../formats/gguf-split.ts";
import { forRequest, notFinite } from "../generation/finite.ts";
import { addonOf } from "./llama-cpp/addon.ts";
import { inBackground, type Work, type WorkOptions } from "./llama-cpp/background.ts";
import { decode, type EngineOptions } from "./llama-cpp/engine.ts";
import { contextOf, familyModel, metadataOf, ownTemplate, readMetadata } from "./llama-cpp/file.ts";
import { score } from "./llama-cpp/scoring.ts";
import { contextMemory, fittingSequences, type Memory, megabytes } from "./llama-cpp/sequences.ts";
import { GPUS, type Started, startLlama } from "./llama-cpp/start.ts";
import { coreThreads, NOT_FINITE } from "./llama-cpp/variant.ts";
import { tokenBytes, vocabularyOf } from "./llama-cpp/vocabulary.ts";
import { defineTeacher, type Placement, type SampleRequest, type Teacher } from "./teacher.ts";

const Options = z.object({
  path: notContent(z.string().min(1)).describe("A GGUF file."),
  sequences: notContent(several.max(256).optional()).describe(
    "Completions that are drawn side by side; as many as there is memory for unless given.",
  ),
  context_size: tokens.default(2048).describe("Tokens of prompt and completion, for each sequence."),
  batch_size: notContent(tokens.optional()).describe("Tokens decoded at once; at least one for each sequence."),
  gpu: notContent(z.union([z.enum(["auto", ...GPUS]), z.literal(false)]).default("auto")).describe(
    '"auto" is the best that works here; a name is that one or an error; false is the CPU.',
  ),
  threads: notContent(several.optional()).describe("Threads on the CPU; one a core unless given."),
  chat_template: z.string().min(1).optional().describe('"plain", "r1" or a Jinja text; the model\'s own unless given.'),
});
type Options = z.output<typeof Options>;

export const llama_cpp = defineTeacher({
  options: Options.describe("A GGUF model in this process, on llama.cpp."),
  file: {
    format: "GGUF",
    ending: ".gguf",
    example: "model-q8_0.gguf",
    beside: otherPieces,
    template: (path) => ownTemplate(metadataOf(path)),
  },
  create: open,
  positions: (path) => (existsSync(path) ? contextOf(metadataOf(path)) : undefined),
  model: ({ path }) => familyModel(path),
});

async function open(options: Options): Promise<Teacher> {
  const { path, context_size } = options;
  const metadata = readMetadata(path);
  sayBeyond(metadata, options);
  const hashing = sha256(path);
  hashing.catch(() => {}); // it is awaited once the model is loaded
  const started = await startLlama(options.gpu);
  const { llama, complaints } = started;
  complaints(); // those of before
  const failed = (what: string, error: unknown): never => {
    if (error instanceof DistillError) throw error;
    const why = [(error as Error).message, complaints()].filter(Boolean).join(": ");
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
    requireCard(options, started, model);
    const { sequences, memory } = await sequencesFor(options, started, model);
    const share = shares(options, started, sequences);
    const batch_size = Math.max(options.batch_size ?? BATCH, share.sequences);
    const engines: EngineOptions[] = [];
    for (let i = 0; i < share.contexts; i++) {
      const context = await model
        .createContext({
          sequences: share.sequences,
          contextSize: context_size,
          batchSize: batch_size,
          failedCreationRemedy: false,
          threads: share.threads ?? coreThreads(llama),
        })
        .catch((error) => failed(`make room for ${sequences} sequences of ${context_size} tokens of`, error));
      contexts.push(context);
      engines.push({
        addon: addonOf(llama, model, context),
        sequences: share.sequences,
        context_size,
        batch_size,
        vocabulary: (metadata.get("tokenizer.ggml.tokens")!.value as readonly string[]).length,
        bytesOf: tokenBytes(metadata, (token) => model.detokenize([token as never], true)),
        endsText: endsText(model),
        tokenize: tokenizer(model, options),
        notFinite: (request, index) => notFinite(path, forRequest(request, index), NOT_FINITE),
        textNotFinite: (index) => notFinite(path, `in text ${index}`, NOT_FINITE),
      });
    }
    // a native object's own method cannot be assigned to
    if (llama.gpu === "vulkan")
      for (const { addon } of engines)
        Object.defineProperty(addon.batches, "decodeBatch", { value: oneAtATime(addon.batches) });
    const hash = await hashing;
    const { bosString, eosString } = model.tokens;
    const special = { bos: bosString ?? "", eos: eosString ?? "" };
    const render = templateOf(options.chat_template, ownTemplate(metadata), path, special);
    let busy: Promise<void> | undefined;
    async function* working<Request, Options extends WorkOptions, Result>(
      requests: Iterable<Request>,
      work: Work<Request, Options, Result>,
      workOptions: Options,
    ): AsyncGenerator<Result> {
      if (busy) throw new Error("This teacher is at work already; it has one context.");
      const queue = inBackground(engines, requests, work, workOptions);
      busy = queue.done;
      try {
        yield* queue.items();
      } finally {
        queue.stop();
        await queue.done.catch(() => {}); // items() has thrown its error
        busy = undefined;
      }
    }
    const placement: Placement = {
      backend: started.backend,
      devices: started.devices,
      gpu_layers: model.gpuLayers,
      layers: model.fileInsights.totalLayers,
      sequences,
      context_size,
      context_mb: megabytes(memory.cpuRam + memory.gpuVram),
    };
    return {
      model: basename(path),
      hash,
      placement,
      render: (messages) => render(messages, { generate: true }),
      generate: (requests, generateOptions) => working(requests, decode, generateOptions),
      score: (requests, scoreOptions) => working(requests, score, scoreOptions),
      vocabulary: () => vocabularyOf(metadata),
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

const said = new Set<string>();

/** Say, once, that texts may become longer than those that a model was trained on. */
function sayBeyond(metadata: Metadata, { path, context_size }: Options): void {
  const trained = metadata.get(`${metadata.get("general.architecture")!.value}.context_length`)?.value;
  if (typeof trained !== "number" || context_size <= trained) return;
  const sentence = `context_size is ${context_size}, and ${basename(path)} was trained on texts of at most ${trained} tokens: what it says beyond them is hardly ever good.`;
  if (said.has(sentence)) return;
  said.add(sentence);
  console.error(sentence);
}

/** Up to this size of the file, in bytes, a model is small. */
const SMALL_MODEL = 256 * 2 ** 20;

/**
 * How a context is shared out. On the CPU a small model gets a context of its own for each thread: threads that wait for
 * each other behind every small product cost more than they bring.
 */
function shares({ path, threads }: Options, { backend }: Started, sequences: number) {
  if (backend !== "cpu" || statSync(path).size > SMALL_MODEL) return { contexts: 1, sequences, threads };
  const contexts = Math.min(threads ?? availableParallelism(), sequences);
  return { contexts, sequences: Math.ceil(sequences / contexts), threads: 1 };
}

/** Tokens decoded at once, unless given. */
const BATCH = 512;

/** How many sequences there are, given or as memory allows, and what they take. */
async function sequencesFor(
  { sequences, context_size, batch_size = BATCH }: Options,
  started: Started,
  model: LlamaModel,
): Promise<{ sequences: number; memory: Memory }> {
  if (sequences === undefined) return fittingSequences(started, model, context_size, batch_size);
  const memory = await contextMemory(model, sequences, context_size, batch_size);
  const [needed, available] = [megabytes(memory.cpuRam), availableMemory()];
  // a little more may be freed, or never be touched
  if (needed > 2 * available)
    throw new DistillError(
      `${sequences} sequences of ${context_size} tokens take ${needed} MB of memory, and ${available} are free. Lower teacher.sequences or teacher.context_size; without sequences it takes as many as there is room for.`,
    );
  return { sequences, memory };
}

/** A card that is named is used, or it is said why not. */
function requireCard({ path, gpu }: Options, { backend, devices, llama }: Started, model: LlamaModel): void {
  if (gpu === false || gpu === "auto" || model.gpuLayers > 0) return;
  throw new DistillError(
    `No layer of ${path} fits onto ${devices.join(", ")} (${backend}), and teacher.gpu asks for it. Take a smaller file, free memory on the card (${megabytes(llama.vramPaddingSize)} MB are kept free), or set gpu: auto.`,
  );
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return hash.digest("hex");
}

function tokenizer(model: LlamaModel, { path, context_size }: Options) {
  const { bos, shouldPrependBosToken } = model.tokens;
  return ({ prompt }: SampleRequest): number[] => {
    const tokens: number[] = model.tokenize(prompt, true);
    if (shouldPrependBosToken && bos !== null && tokens[0] !== bos) tokens.unshift(bos);
    if (tokens.length === 0) throw new DistillError(`The prompt is empty, and ${path} continues none.`);
    if (tokens.length >= context_size)
      throw new DistillError(
        `The prompt has ${tokens.length} tokens, which leaves no room for a completion in a context_size of ${context_size}.`,
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
