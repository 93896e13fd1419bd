/** @file The nouns everybody shares. Columns of a dataset have the same names. */

export type Message = { role: string; content: string };

/** A question, and the reference answer where there is one. */
export type Prompt = { id: string; prompt: string; answer?: string };

/** How a completion ended: with a stop token or string, at a limit of tokens, or not at all, since it could not be drawn. */
export type FinishReason = "stop" | "length" | "error";

/** Where reasoning stood in a server's answer: a field of its own, the text, or the text without the tag that opened it. */
export type ReasoningPlace = "field" | "inline" | "prefilled" | "none";

/** Which server answered, and at what cost. */
export type Served = {
  endpoint: string;
  /** As the server names it. */
  model: string | null;
  request_id: string | null;
  prompt_tokens: number;
  /** Tokens that were generated, those of the reasoning too. */
  completion_tokens: number;
  reasoning_tokens: number | null;
  /** Of the prompt those that were not computed anew. */
  cached_tokens: number | null;
  /** Money, where a price is known. */
  cost: number | null;
  /** From the request to the end of its answer. */
  latency_s: number;
  /** Which attempt it was, from 1. */
  attempt: number;
  reasoning: ReasoningPlace;
};

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
  /** Of the first reward that judges correctness: the rule's own, whatever a judge says. */
  verdict: Verdict;
  extracted: string | null;
  /** Why it was not accepted, or what made it correct. */
  reason: string;
  /** The rule that gave the verdict, and its edition: "accuracy 1"; null where none gave one. */
  version?: string | null;
  accepted: boolean;
} & Partial<JudgeColumns>;

/** What a model said that is asked where a rule does not find an answer correct. Rows have them where a rule has such a judge. */
export type JudgeColumns = {
  /** Null where it was not asked; `unknown`: its answer cannot be read; `infra_error`: it gave none. */
  judge_verdict: Verdict | null;
  /** What it said in the end, or why there is nothing. */
  judge_reason: string | null;
  /** The model that was asked. */
  judge_model: string | null;
};

/** The verdict that counts: the rule's, unless a judge was asked and said yes or no. */
export const verdictOf = ({
  verdict,
  judge_verdict,
}: {
  verdict: Verdict;
  judge_verdict?: Verdict | null | undefined;
}): Verdict => (judge_verdict === "correct" || judge_verdict === "incorrect" ? judge_verdict : verdict);
