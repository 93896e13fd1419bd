/** @file What a rule is: it sees a completion with its prompt and reference, and gives a score, a verdict or both. */

import type { z } from "zod";
import type { Component } from "../core/component.ts";
import type { FinishReason, Verdict } from "../core/trace.ts";

export type Sample = {
  prompt: string;
  completion: string;
  /** The reference. */
  answer?: string;
  finish_reason?: FinishReason;
  /** Why there is no completion, where it could not be drawn. */
  error?: string;
  /** Tokens in the completion, where they are known. */
  num_tokens?: number;
  /** What the rule that judges correctness said, for rules that build on it. */
  verdict?: Verdict;
};

export type Score = {
  /** Usually 0 … 1; null is "cannot say" and is left out of sums. */
  score: number | null;
  /** The rule does not apply to this sample, so its `at_least` asks nothing of it. */
  asksNothing?: true;
  /** Only from rules that judge correctness. */
  verdict?: Verdict;
  /** The span of the completion that was compared. */
  extracted?: string | null;
  /** Why, in a few words. */
  reason: string;
};

/** `group` holds all samples of the same prompt, this one too, for rules that compare them. */
export type Reward = (sample: Sample, group?: readonly Sample[]) => Score | Promise<Score>;

// biome-ignore lint/suspicious/noExplicitAny: each component checks its own options.
export type RewardComponent<Options extends z.ZodObject = any> = Component<Options, Reward> & {
  /** It compares the samples of a prompt, so it is asked when all of them are there. */
  ofGroup?: boolean;
  /** It is nothing without a reference: prompts without an answer are refused before anything is drawn. */
  needsAnswer?: boolean;
  /** It has processes or a program of its own, so it stays on the thread that asks, and is in no pool. */
  ownThread?: boolean;
  /** Whether two answers that it extracted are one; those with the same text unless given. */
  same?: (a: string, b: string) => boolean;
  /** Which edition of the rule it is: raised whenever what it says of a completion may change; 1 unless given. */
  version?: string;
};

export const defineReward = <Options extends z.ZodObject>(reward: RewardComponent<Options>) => reward;
