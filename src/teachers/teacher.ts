/** @file What a teacher is: something that continues prompts. */

import type { z } from "zod";
import type { Component } from "../core/component.ts";
import type { FinishReason, Message, Served } from "../core/trace.ts";
import type { Journal } from "../data/journal.ts";
import type { ModelConfig, Weight } from "../models/load.ts";
import type { Parameter } from "../models/model.ts";
import type { Budget, Price } from "./budget.ts";

export type SamplingOptions = {
  /** 0 is greedy. */
  temperature: number;
  top_p: number;
  /** 0 is the whole vocabulary. */
  top_k: number;
  min_p: number;
  /** Tokens; a completion that reaches it has finish_reason "length". */
  max_completion_length: number;
  /** Texts that end a completion; they are not part of it. */
  stop: readonly string[];
  /** How many most likely tokens to give with each token; 0 for none. */
  top_logprobs: number;
};

/** One completion to draw. */
export type SampleRequest = {
  /** The rendered text, special tokens included. */
  prompt: string;
  /** The conversation, for teachers that are not given text. */
  messages?: readonly Message[];
  /** Names the request among all that are ever made under the same settings: what is known of it is asked for by this. */
  id?: string;
  /** The same request with the same seed gives the same completion on the same machine. */
  seed: number;
};

export type Generation = {
  completion: string;
  /** Ids of the completion's tokens; of the stop token too where one ended it. None where a server does not tell them. */
  token_ids: number[];
  prompt_tokens: number;
  finish_reason: FinishReason;
  /** What ended it, a token of the model's or a text that was asked for; nothing where that is not told. */
  stopped_by?: "token" | "text";
  /** For each token the most likely ones, at temperature 1. */
  top_logprobs?: TopLogprobs[];
  /** Of a server's answer where it came from. */
  served?: Served;
};

/** The most likely tokens in a token's place, best first. */
export type TopLogprobs = { ids: number[]; logprobs: number[] };

export type GenerateOptions = SamplingOptions & {
  signal?: AbortSignal;
  /** Called while work goes on with the number of tokens generated so far. */
  onTokens?: (tokens: number) => void;
  /** Called with the text of the completion of a request, by its number, as it grows; not by a server that streams nothing. */
  onText?: (index: number, text: string) => void;
  /** Where a teacher that is paid for writes what it asks and what comes. */
  journal?: Journal;
  /** What a teacher that is paid for may use. */
  budget?: Budget;
};

/** Where a model in this process runs, as the manifest keeps it. */
export type Placement = {
  backend: "cuda" | "vulkan" | "metal" | "cpu";
  /** The names of the cards. */
  devices: readonly string[];
  /** Layers whose weights are on a card, of all. */
  gpu_layers: number;
  layers: number;
  /** Completions drawn side by side, each of so many tokens with its prompt. */
  sequences: number;
  context_size: number;
  /** What the sequences take, by the backend's estimate. */
  context_mb: number;
};

/** A placement as a sentence. */
export function describePlacement({
  backend,
  devices,
  sequences,
  context_size,
  context_mb,
  ...rest
}: Placement): string {
  const where =
    backend === "cpu" ? "the CPU" : `${backend} (${devices.join(", ")}), ${rest.gpu_layers} of ${rest.layers} layers`;
  return `on ${where}; ${sequences} sequences of ${context_size} tokens in ${context_mb} MB`;
}

/** A text whose tokens from `from` on are scored. */
export type ScoreRequest = { tokens: readonly number[]; from: number };

export type ScoreOptions = {
  /** How many most likely tokens to give at each scored token; no more than there are. */
  top_logprobs: number;
  signal?: AbortSignal;
  /** Called while work goes on with the number of tokens read so far. */
  onTokens?: (tokens: number) => void;
};

/** What became of a text: at each scored token the most likely ones, best first, at temperature 1; or why there is nothing. */
export type Scored =
  | { index: number; top_logprobs: TopLogprobs[]; error?: undefined }
  | { index: number; top_logprobs?: undefined; error: string };

/** What became of a request: its completion, or a sentence that says why there is none. */
export type Finished =
  | {
      index: number;
      generation: Generation;
      error?: undefined;
      /** The seed that it was drawn with, where that is another one than was asked for. */
      seed?: number;
    }
  | { index: number; generation?: undefined; error: string };

export type Teacher = {
  /** The file or the server's name of the model. */
  readonly model: string;
  /** sha256 of the model's file, where there is one. */
  readonly hash?: string;
  readonly placement?: Placement;
  /** Whether it keeps a journal and asks the budget before each request; of others the sampler counts what they write. */
  readonly paid?: boolean;
  /** Whether it goes on with any text; false where it is given messages. */
  readonly continues?: boolean;
  /** The text of a conversation up to where the assistant speaks. */
  render(messages: readonly Message[]): string;
  /**
   * Continue each request, many at a time; generations come in the order in which they end, with the index of their
   * request. Requests are taken as places become free, so an endless source is fine. Ends early where `signal` says so.
   * A request that cannot be answered, such as a prompt that is too long, gives an error and is passed over.
   */
  generate(requests: Iterable<SampleRequest>, options: GenerateOptions): AsyncIterable<Finished>;
  /**
   * The log-probabilities of texts that are given as tokens, by teacher forcing; in the order in which they end. A teacher
   * that cannot give any has none. Ends early where `signal` says so.
   */
  score?(requests: Iterable<ScoreRequest>, options: ScoreOptions): AsyncIterable<Scored>;
  /** Its tokens by their ids; rows that stand for nothing are undefined. */
  vocabulary(): readonly (string | undefined)[];
  close(): Promise<void>;
};

/** A teacher's model as one of our families, to be computed beside a student. */
export type TeacherModel = {
  config: ModelConfig;
  /** Names it in errors. */
  source: string;
  /** Its weights in float32, one at a time. */
  weights(parameters: readonly Parameter[]): Iterable<Weight>;
  vocabulary(): readonly (string | undefined)[];
};

/** The files of a model that a teacher opens. */
export type ModelFile = {
  /** What the format is called. */
  format: string;
  /** How the name of the file at `path` ends, and such a name as repositories have it. */
  ending: string;
  example: string;
  /** Of the names of files in its folder those that belong to it and are read with it. */
  beside?(name: string, names: readonly string[]): string[];
  /** The files of the folder above it that are read where they are there. */
  above?: readonly string[];
  /** The chat template that the model at `path` brings along. */
  template(path: string): string | undefined;
};

/** A teacher as a recipe names it. */
// biome-ignore lint/suspicious/noExplicitAny: each component checks its own options.
export type TeacherComponent<Options extends z.ZodObject = any> = Component<Options, Promise<Teacher>> & {
  /** What its option `path` leads to, where it opens a file, or a folder as Hugging Face lays it out. */
  file?: ModelFile;
  folder?: Pick<ModelFile, "template">;
  /** Tokens that the model at `path` was made to read, where its option `context_size` has no such default. */
  positions?(path: string): number | undefined;
  /** Its model, or a sentence that says why it is none of our families. */
  model?(options: z.output<Options>): TeacherModel | string;
  /** Its option `tokenizer` names a folder, which is read. */
  tokenizer?: boolean;
  /** The template through which it is asked where it opens no file; undefined where nobody knows it. */
  template?(options: z.output<Options>): string | undefined;
  /** What it costs, where that is known; undefined where it is not, and for models in this process. */
  price?(options: z.output<Options>): Price | undefined;
};

export const defineTeacher = <Options extends z.ZodObject>(teacher: TeacherComponent<Options>) => teacher;
