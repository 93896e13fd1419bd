/** @file Runs side by side: what changed in the result, problem by problem. */

import type { Trace } from "../data/traces.ts";
import { type Gain, gainOver, pairsOf, shareOf } from "./paired.ts";

export type Comparison = Gain & {
  /** Problems that came out better, and worse, by their ids. */
  better: string[];
  worse: string[];
  /** Problems that only one of the two has, by id and words; nothing is said of them. */
  unpaired: number;
};

/** What one model does that another did not, on the problems that both have. */
export function compareTraces(over: string, before: readonly Trace[], after: readonly Trace[]): Comparison {
  const pairs = pairsOf(before, after);
  const changed = pairs.map((pair) => ({ id: pair.id, by: shareOf(pair.after) - shareOf(pair.before) }));
  const most = (sign: number) =>
    changed
      .filter(({ by }) => by * sign > 0)
      .sort((a, b) => b.by * sign - a.by * sign)
      .map(({ id }) => id);
  const problems = (traces: readonly Trace[]) =>
    new Set(traces.map(({ prompt_id, prompt }) => JSON.stringify([prompt_id, prompt]))).size;
  return {
    ...gainOver(over, before, after),
    better: most(1),
    worse: most(-1),
    unpaired: problems(before) + problems(after) - 2 * pairs.length,
  };
}
