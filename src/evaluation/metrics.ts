/** @file What is measured on sampled completions: pass@1 with its interval, cons@k, what was cut off or cannot be read. */

import { z } from "zod";
import { oneOf } from "../core/component.ts";
import { generatedTokens, type Trace } from "../data/traces.ts";
import { RewardSpecs } from "../rewards/create.ts";
import { gradeMath } from "../rewards/math/index.ts";
import { SamplerOptions } from "../sampling/options.ts";
import * as teachers from "../teachers/index.ts";

export const EvaluationOptions = SamplerOptions.omit({
  max_accepted: true,
  give_up: true,
  budget: true,
  top_logprobs: true,
}).extend({
  models: z
    .array(
      z.union([
        z.string(),
        oneOf(teachers, {
          name: z
            .string()
            .regex(/^[\w.-]+$/)
            .describe("What it is called in the report."),
        }),
      ]),
    )
    .optional()
    .describe(
      "base, teacher, student, student-<name of an export>, or another with a name and a teacher's options; all that there are unless given.",
    ),
  rewards: RewardSpecs.optional().describe(
    "Rules whose mean is told beside correctness, such as language_consistency.",
  ),
});
export type EvaluationOptions = z.output<typeof EvaluationOptions>;

export type Metrics = {
  /** The mean over problems of the share of its samples that are right. */
  pass_at_1: number;
  /** The 95 % interval of pass_at_1 over problems. */
  pass_at_1_ci95: [low: number, high: number];
  /** The share of problems of which the most frequent answer is right. */
  cons_at_k: number;
  /** Samples of each problem. */
  k: number;
  problems: number;
  /** The share of samples that reached the limit of tokens. */
  truncated: number;
  /** The share of samples that ended without an answer that can be read. */
  unparsed: number;
  /** The mean length of a completion, in tokens. */
  mean_tokens: number;
  /** The mean of each further rule, over the samples of which it can tell. */
  rewards?: Record<string, number>;
};

/** Measure one model's traces; each problem has the same number of samples. */
export function measure(traces: readonly Trace[], rules: readonly string[] = []): Metrics {
  const byPrompt = new Map<string, Trace[]>();
  for (const trace of traces) byPrompt.set(trace.prompt_id, [...(byPrompt.get(trace.prompt_id) ?? []), trace]);
  const problems = [...byPrompt.values()];
  const shares = problems.map((samples) => mean(samples.map(({ verdict }) => Number(verdict === "correct"))));
  return {
    pass_at_1: mean(shares),
    pass_at_1_ci95: wilson95(shares),
    cons_at_k: mean(problems.map((samples) => Number(mostFrequent(samples)?.verdict === "correct"))),
    k: Math.max(...problems.map(({ length }) => length)),
    problems: problems.length,
    truncated: mean(traces.map(({ finish_reason }) => Number(finish_reason === "length"))),
    unparsed: mean(
      traces.map(({ extracted, finish_reason }) => Number(extracted === null && finish_reason !== "length")),
    ),
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

/** How much better a model is on the same problems. */
export type Gain = {
  over: string;
  /** The mean over problems of the difference of their shares. */
  pass_at_1: number;
  /** The 95 % interval of that mean, problem by problem: what is hard for both does not widen it. */
  ci95: [low: number, high: number];
};

/** What `traces` gain over those of another model, on the problems that both have. */
export function gainOver(over: string, others: readonly Trace[], traces: readonly Trace[]): Gain {
  const before = sharesOf(others);
  const differences = [...sharesOf(traces)].flatMap(([id, share]) => (before.has(id) ? [share - before.get(id)!] : []));
  const n = differences.length;
  const center = mean(differences);
  const variance = differences.reduce((sum, d) => sum + (d - center) ** 2, 0) / Math.max(1, n - 1);
  const half = Z * Math.sqrt(variance / Math.max(1, n));
  return { over, pass_at_1: center, ci95: [center - half, center + half] };
}

/** The share of right samples of each problem. */
function sharesOf(traces: readonly Trace[]): Map<string, number> {
  const counts = new Map<string, [right: number, all: number]>();
  for (const { prompt_id, verdict } of traces) {
    const [right, all] = counts.get(prompt_id) ?? [0, 0];
    counts.set(prompt_id, [right + Number(verdict === "correct"), all + 1]);
  }
  return new Map([...counts].map(([id, [right, all]]) => [id, right / all]));
}

/** The 97.5th percentile of the normal distribution. */
const Z = 1.959964;

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);

/** The first sample with the answer that most samples agree on; answers are equal as mathematics, not as text. */
function mostFrequent(samples: readonly Trace[]): Trace | undefined {
  const groups: Trace[][] = [];
  for (const sample of samples) {
    const { extracted } = sample;
    if (extracted === null) continue;
    const group = groups.find(([first]) => sameAnswer(first!.extracted!, extracted));
    if (group) group.push(sample);
    else groups.push([sample]);
  }
  return groups.sort((a, b) => b.length - a.length)[0]?.[0];
}

const sameAnswer = (a: string, b: string) =>
  a === b || gradeMath({ completion: b, answer: a, profile: "lenient" }).verdict === "correct";

/**
 * Wilson's score interval for the mean of shares. Several samples of one problem are not independent, so the sample size
 * is the number of coin flips that would vary as much as the problems do, at least the number of problems.
 */
export function wilson95(shares: readonly number[]): [number, number] {
  const n = shares.length;
  const p = mean(shares);
  const variance = shares.reduce((sum, share) => sum + (share - p) ** 2, 0) / Math.max(1, n - 1);
  const size = variance > 0 ? Math.max(n, (p * (1 - p) * n) / variance) : n;
  const center = (p + Z ** 2 / (2 * size)) / (1 + Z ** 2 / size);
  const half = (Z / (1 + Z ** 2 / size)) * Math.sqrt((p * (1 - p)) / size + Z ** 2 / (4 * size ** 2));
  return [Math.max(0, center - half), Math.min(1, center + half)];
}
