/** @file The nouns everybody shares. Columns of a dataset have the same names. */

export type Message = { role: string; content: string };

/** A question, and the reference answer where there is one. */
export type Prompt = { id: string; prompt: string; answer?: string };

/** How a completion ended: with a stop token or string, at a limit of tokens, or not at all, since it could not be drawn. */
export type FinishReason = "stop" | "length" | "error";

/**
 * What rules say of a completion. `unknown`: the reference cannot be read, or there is none; `truncated`: it was cut at a
 * limit before it answered; `infra_error`: the judge failed, not the completion.
 */
export const VERDICTS = ["correct", "incorrect", "unknown", "truncated", "infra_error"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** What rules say of a completion. */
export type Judgement = {
  /** The score of each reward; null where it cannot say. */
  rewards: Record<string, number | null>;
  /** Σ weight · score over the scores that are known; null where none is. */
  reward: number | null;
  /** Of the first reward that judges correctness. */
  verdict: Verdict;
  extracted: string | null;
  /** Why it was not accepted, or what made it correct. */
  reason: string;
  accepted: boolean;
};
