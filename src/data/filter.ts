/** @file Which rows of a dataset are kept, and what each other one was left out for. */

import { z } from "zod";
import { VERDICTS } from "../core/trace.ts";
import { nearDuplicates, type Signature, signatureOf, similarity } from "./near-duplicates.ts";

export const FilterOptions = z.strictObject({
  verdict: z.array(z.enum(VERDICTS)).min(1).optional(),
  /** Least scores, by the name of a reward; `reward` is their sum. A row without the score is left out. */
  at_least: z.record(z.string(), z.number()).default({}),
  /** The share of a prompt's rows that are correct, from and to. */
  pass_rate: z.tuple([z.number().min(0).max(1), z.number().min(0).max(1)]).optional(),
  duplicates: z.enum(["keep", "exact", "near"]).default("keep"),
  /** The share of runs of words in common that makes two rows near duplicates. */
  similarity: z.number().gt(0).max(1).default(0.8),
  /** The most rows of a prompt. */
  best: z.int().positive().optional(),
  /** Which are the best: the shortest, those with the highest reward, or those least like each other. */
  prefer: z.enum(["shortest", "highest_reward", "diverse"]).default("shortest"),
});
export type FilterOptions = z.output<typeof FilterOptions>;

/** What is kept in memory of a row. */
export type FilterRow = {
  prompt: string;
  verdict: string | undefined;
  rewards: Record<string, number | null>;
  length: number;
  /** Equal for equal rows. */
  content: string;
  signature: Signature | undefined;
  /** Somebody who reviewed it dropped it. */
  dropped?: boolean;
};

export type Reason = "dropped" | "verdict" | "at_least" | "pass_rate" | "contaminated" | "duplicate" | "best";

/** Whether rows of these options need a signature. */
export const needsSignature = ({ duplicates, best, prefer }: FilterOptions): boolean =>
  duplicates === "near" || (best !== undefined && prefer === "diverse");

export const filterSignature = (prompt: string, completion: string): Signature =>
  signatureOf(`${prompt}\n${completion}`);

/** Why each row is left out; undefined where it is kept. `contaminated` says which rows hold a question of a test. */
export function filterRows(
  rows: readonly FilterRow[],
  contaminated: ReadonlySet<number>,
  options: FilterOptions,
): (Reason | undefined)[] {
  const { verdict, at_least, pass_rate, duplicates, best } = options;
  const rates = passRates(rows);
  const seen = new Set<string>();
  const isNear = nearDuplicates(options.similarity);
  const isDuplicate = ({ content, signature }: FilterRow) => {
    if (duplicates === "keep") return false;
    if (seen.has(content)) return true;
    seen.add(content);
    return duplicates === "near" && isNear(signature!);
  };
  const reasons = rows.map((row, i): Reason | undefined => {
    if (row.dropped) return "dropped";
    if (verdict && !(verdict as readonly (string | undefined)[]).includes(row.verdict)) return "verdict";
    if (Object.entries(at_least).some(([name, least]) => !((row.rewards[name] ?? Number.NaN) >= least)))
      return "at_least";
    const rate = rates.get(row.prompt)!;
    if (pass_rate && !(rate >= pass_rate[0] && rate <= pass_rate[1])) return "pass_rate";
    if (contaminated.has(i)) return "contaminated";
    return isDuplicate(row) ? "duplicate" : undefined;
  });
  if (best === undefined) return reasons;
  const kept = new Map<string, number[]>();
  for (const [i, { prompt }] of rows.entries()) {
    if (reasons[i] !== undefined) continue;
    const group = kept.get(prompt);
    if (group) group.push(i);
    else kept.set(prompt, [i]);
  }
  for (const group of kept.values()) {
    const chosen = new Set(bestOf(rows, group, best, options.prefer));
    for (const i of group) if (!chosen.has(i)) reasons[i] = "best";
  }
  return reasons;
}

/** The share of each prompt's rows that are correct. */
function passRates(rows: readonly FilterRow[]): Map<string, number> {
  const counts = new Map<string, { correct: number; all: number }>();
  for (const { prompt, verdict } of rows) {
    const { correct = 0, all = 0 } = counts.get(prompt) ?? {};
    counts.set(prompt, { correct: correct + Number(verdict === "correct"), all: all + 1 });
  }
  return new Map([...counts].map(([prompt, { correct, all }]) => [prompt, correct / all]));
}

function bestOf(
  rows: readonly FilterRow[],
  group: readonly number[],
  best: number,
  prefer: FilterOptions["prefer"],
): number[] {
  const rewardOf = (i: number) => rows[i]!.rewards.reward ?? Number.NEGATIVE_INFINITY;
  const ranked = [...group].sort((a, b) => {
    if (prefer === "highest_reward" && rewardOf(a) !== rewardOf(b)) return rewardOf(b) - rewardOf(a);
    return rows[a]!.length - rows[b]!.length || a - b;
  });
  if (prefer !== "diverse") return ranked.slice(0, best);
  // the shortest, then always the one whose nearest among the chosen is farthest
  const chosen = ranked.slice(0, 1);
  while (chosen.length < Math.min(best, ranked.length)) {
    const nearest = (i: number) => Math.max(...chosen.map((j) => similarity(rows[i]!.signature!, rows[j]!.signature!)));
    const left = ranked.filter((i) => !chosen.includes(i)).map((i) => ({ i, near: nearest(i) }));
    chosen.push(left.reduce((a, b) => (b.near < a.near ? b : a)).i);
  }
  return chosen;
}
