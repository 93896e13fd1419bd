/** @file What a search is: a way to spend more tokens on a problem than one answer takes. */

import type { z } from "zod";
import type { Component } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import type { FinishReason, Judgement, Prompt } from "../core/trace.ts";
import type { SamplerOptions } from "../sampling/options.ts";
import type { GenerateOptions, Generation, SamplingOptions, Teacher } from "../teachers/teacher.ts";

/** A problem, and the text that the model continues. */
export type Problem = Prompt & { rendered: string };

export type SearchRun = {
  teacher: Teacher;
  problems: readonly Problem[];
  /** How is sampled; max_completion_length is of a whole answer. */
  options: SamplerOptions;
  /** What the rule of correctness says of an answer. */
  judge(problem: Problem, answer: Answer): Promise<Judgement>;
  /** Whether two answers are one. */
  same?: ((a: string, b: string) => boolean) | undefined;
  /** Told of what goes on. */
  onProgress?: ((words: string) => void) | undefined;
  signal: AbortSignal;
};

export type Answer = { completion: string; finish_reason: FinishReason; tokens: number };

/** What came of a problem: tokens that were written for it, those of a judge too, and how likely its answer is right. */
export type Outcome = { tokens: number; right: number };

/** The problems in their order, at one width of the search. */
export type Point = { n: number; outcomes: Outcome[] };
export type Line = { label: string; points: Point[] };

/** Search all problems, at each of its widths. Nothing where `signal` stopped it. */
export type Search = (run: SearchRun) => Promise<Line[] | undefined>;

// biome-ignore lint/suspicious/noExplicitAny: each component checks its own options.
export type SearchComponent<Options extends z.ZodObject = any> = Component<Options, Search>;
export const defineSearch = <Options extends z.ZodObject>(search: SearchComponent<Options>) => search;

/** What a model is asked with: how is sampled, with some of it otherwise. */
export function drawing(
  { options, signal }: SearchRun,
  other: Partial<SamplingOptions> & { top_logprobs: number },
): GenerateOptions {
  const { temperature, top_p, top_k, min_p, max_completion_length, stop } = options;
  return { temperature, top_p, top_k, min_p, max_completion_length, stop, signal, ...other };
}

/** The sum of the log-probabilities of a completion's tokens; of one that is not among those that were told, the least of them. */
export function logprobOf({ token_ids, top_logprobs = [] }: Generation): number {
  return token_ids.reduce((sum, id, i) => {
    const { ids, logprobs } = top_logprobs[i] ?? { ids: [], logprobs: [] };
    const at = ids.indexOf(id);
    return sum + (logprobs[at < 0 ? logprobs.length - 1 : at] ?? 0);
  }, 0);
}

/** Throw where a model tells no probabilities though a scorer goes by them. */
export function requireLogprobs(teacher: Teacher, wanted: number, { token_ids, top_logprobs }: Generation): void {
  if (wanted > 0 && token_ids.length > 0 && !top_logprobs?.length)
    throw new DistillError(
      `${teacher.model} tells no log-probabilities with what it writes, and the scorer logprob goes by them. Take another scorer, or a GGUF file or a folder as the model.`,
    );
}
