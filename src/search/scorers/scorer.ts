/** @file What a scorer is: how promising an answer is, or the beginning of one. */

import type { z } from "zod";
import type { Component } from "../../core/component.ts";
import type { FinishReason } from "../../core/trace.ts";
import type { Problem } from "../search.ts";

export type Candidate = {
  problem: Problem;
  completion: string;
  /** "length" also where it is the beginning of an answer. */
  finish_reason: FinishReason;
  tokens: number;
  /** The sum of the log-probabilities of its tokens, and of how many. */
  logprob: number;
  counted: number;
};

export type Scored = {
  /** null where it cannot be said. */
  score: number | null;
  /** Tokens that were written to say it. */
  tokens: number;
};

export type Scorer = {
  label: string;
  score(candidates: readonly Candidate[], signal: AbortSignal): Promise<Scored[]>;
  close?(): Promise<void>;
};

// biome-ignore lint/suspicious/noExplicitAny: each component checks its own options.
export type ScorerComponent<Options extends z.ZodObject = any> = Component<Options, Promise<Scorer>> & {
  /** How many most likely tokens must be told with each token. */
  top_logprobs?: number;
};

export const defineScorer = <Options extends z.ZodObject>(scorer: ScorerComponent<Options>) => scorer;
