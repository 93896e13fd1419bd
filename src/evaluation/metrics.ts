/** @file What is measured on sampled completions: pass@k and cons@k with intervals, what was cut off or cannot be read. */

import { DistillError } from "../core/errors.ts";
import { verdictOf } from "../core/trace.ts";
import { generatedTokens, type Trace } from "../data/traces.ts";
import { majorityRight } from "../rewards/agreement.ts";
import { accuracy } from "../rewards/index.ts";
import { mean, wilson95 } from "./intervals.ts";
import { passAtK, powersUpTo } from "./pass-at-k.ts";

export type Metrics = {
  /** The mean over problems of the share of its samples that are right. */
  pass_at_1: number;
  /** The 95 % interval of pass_at_1 over problems. */
  pass_at_1_ci95: [low: number, high: number];
  /** For some k the mean over problems of the unbiased estimate that one of k samples is right. Not in earlier reports. */
  pass_at_k?: { k: number; pass: number; ci95: [low: number, high: number] }[];
  /** The share of problems of which the most frequent answer is right; of a tie the share of its answers. */
  cons_at_k: number;
  cons_at_k_ci95?: [low: number, high: number];
  /** Samples of each problem. */
  k: number;
  problems: number;
  /** The share of samples that reached the limit of tokens. */
  truncated: number;
  /** Of those the share that was cut before the limit, since the model's context was full. Absent where there is none. */
  truncated_by_context?: number;
  /** The share of samples that ended without an answer that can be read. */
  unparsed: number;
  /** The share of samples of which the rule could not tell; they count as wrong. Absent where there is none. */
  unjudged?: number;
  /** The mean length of a completion, in tokens. */
  mean_tokens: number;
  /** The mean of each further rule, over the samples of which it can tell. */
  rewards?: Record<string, number>;
};

export type Measuring = {
  /** Rules that are told beside correctness. */
  rules?: readonly string[];
  /** Whether two answers are one; as mathematics unless given. */
  same?: ((a: string, b: string) => boolean) | undefined;
  /** Samples that each problem must have. */
  k?: number;
  pass_at?: readonly number[] | undefined;
};

/** Measure one model's traces. Throws where a problem has another number of samples than the others, or than k. */
export function measure(traces: readonly Trace[], { rules = [], same, k: asked, pass_at }: Measuring = {}): Metrics {
  const byPrompt = new Map<string, Trace[]>();
  for (const trace of traces) byPrompt.set(trace.prompt_id, [...(byPrompt.get(trace.prompt_id) ?? []), trace]);
  const problems = [...byPrompt.values()];
  const k = asked ?? Math.max(...problems.map(({ length }) => length));
  const other = problems.find(({ length }) => length !== k);
  if (other)
    throw new DistillError(
      `The problem "${other[0]!.prompt_id}" has ${other.length} sample${other.length === 1 ? "" : "s"}, and ${k} of each are measured. Draw the rest first.`,
    );
  const right = problems.map((samples) => samples.filter(isRight).length);
  const shares = right.map((count) => count / k);
  const agreed = problems.map((samples) => majorityRight(samples, isRight, same ?? accuracy.same));
  const share = (of: (trace: Trace) => boolean) => mean(traces.map((trace) => Number(of(trace))));
  const context = share(cutByContext);
  const unjudged = share((trace) => ["unknown", "infra_error"].includes(verdictOf(trace)));
  return {
    pass_at_1: mean(shares),
    pass_at_1_ci95: wilson95(shares),
    pass_at_k: (pass_at ?? powersUpTo(k)).map((some) => {
      const passed = right.map((count) => passAtK(k, count, some));
      return { k: some, pass: mean(passed), ci95: wilson95(passed) };
    }),
    cons_at_k: mean(agreed),
    cons_at_k_ci95: wilson95(agreed),
    k,
    problems: problems.length,
    truncated: share(({ finish_reason }) => finish_reason === "length"),
    ...(context > 0 ? { truncated_by_context: context } : {}),
    unparsed: share(({ extracted, finish_reason }) => extracted === null && finish_reason !== "length"),
    ...(unjudged > 0 ? { unjudged } : {}),
    mean_tokens: mean(traces.map(generatedTokens)),
    ...(rules.length > 0
      ? {
          rewards: Object.fromEntries(
            rules.map((rule) => [rule, mean(traces.flatMap(({ rewards }) => rewards[rule] ?? []))]),
          ),
        }
      : {}),
  };
}

const isRight = (trace: Trace): boolean => verdictOf(trace) === "correct";

/** Whether it ended before the limit that was asked for, though nothing had ended it. */
const cutByContext = (trace: Trace): boolean =>
  trace.finish_reason === "length" &&
  trace.token_ids.length > 0 &&
  trace.token_ids.length < trace.max_completion_length;

/**
 * Throw where a prompt was cut on its way: no tokenizer makes fewer tokens than half the words, so a server that read fewer
 * has left some out.
 */
export function requireWholePrompts(traces: readonly Trace[], model: string): void {
  const cut = traces.find(
    ({ prompt_text, prompt_tokens, finish_reason }) =>
      finish_reason !== "error" && prompt_tokens > 0 && prompt_tokens < wordsIn(prompt_text) / 2,
  );
  if (cut)
    throw new DistillError(
      `${model} was given a prompt of ${wordsIn(cut.prompt_text)} words ("${cut.prompt_id}") and read ${cut.prompt_tokens} tokens of it: the prompt was cut. Give the server a longer context, such as num_ctx of Ollama.`,
    );
}

const wordsIn = (text: string): number => text.match(/\S+/g)?.length ?? 0;
