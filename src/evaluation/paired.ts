/** @file How much better a model is on the same problems, and how likely such a difference is by chance. */

import { verdictOf } from "../core/trace.ts";
import type { Trace } from "../data/traces.ts";
import { mean, variance, Z } from "./intervals.ts";

export type Gain = {
  over: string;
  /** The mean over problems of the difference of their shares. */
  pass_at_1: number;
  /** The 95 % interval of that mean, problem by problem: what is hard for both does not widen it. */
  ci95: [low: number, high: number];
  /**
   * How likely a mean as far from 0 is where it is chance which of the two models has which share of a problem; exact. With
   * a sample of each problem it is McNemar's. Not in reports of earlier versions.
   */
  p_value?: number;
  /** Problems that both have. */
  problems?: number;
};

/** Samples of a problem, and how many of them are right. */
export type Tally = { right: number; samples: number };

/** What `traces` gain over those of another model, on the problems that both have. */
export function gainOver(over: string, others: readonly Trace[], traces: readonly Trace[]): Gain {
  const pairs = pairsOf(others, traces);
  const differences = pairs.map(({ before, after }) => shareOf(after) - shareOf(before));
  const center = mean(differences);
  const half = Z * Math.sqrt(variance(differences) / Math.max(1, differences.length));
  return {
    over,
    pass_at_1: center,
    ci95: [Math.max(-1, center - half), Math.min(1, center + half)], // shares differ by no more
    p_value: randomisationTest(pairs.map(({ before, after }) => inWhole(before, after))),
    problems: pairs.length,
  };
}

export type Pair = { id: string; before: Tally; after: Tally };

/** The problems that both models have, known by their id and their words. */
export function pairsOf(others: readonly Trace[], traces: readonly Trace[]): Pair[] {
  const before = talliesOf(others);
  return [...talliesOf(traces)].flatMap(([key, { id, ...after }]) => {
    const other = before.get(key);
    return other ? [{ id, before: { right: other.right, samples: other.samples }, after }] : [];
  });
}

export const shareOf = ({ right, samples }: Tally) => right / samples;

function talliesOf(traces: readonly Trace[]): Map<string, Tally & { id: string }> {
  const tallies = new Map<string, Tally & { id: string }>();
  for (const { prompt_id: id, prompt, ...judged } of traces) {
    const key = JSON.stringify([id, prompt]);
    const { right, samples } = tallies.get(key) ?? { right: 0, samples: 0 };
    tallies.set(key, { id, right: right + Number(verdictOf(judged) === "correct"), samples: samples + 1 });
  }
  return tallies;
}

/** The difference of two shares times both numbers of samples: a whole number. */
const inWhole = (before: Tally, after: Tally): { difference: number; unit: number } => ({
  difference: after.right * before.samples - before.right * after.samples,
  unit: after.samples * before.samples,
});

/**
 * Fisher's randomisation test of paired differences, two-sided: of all ways to give each difference a sign, the share whose
 * sum is at least as far from 0. Sums of whole numbers are few, so all 2ⁿ ways are counted.
 */
export function randomisationTest(pairs: readonly { difference: number; unit: number }[]): number {
  const unit = pairs.reduce((common, pair) => (common * pair.unit) / divisor(common, pair.unit), 1);
  const whole = pairs.map(({ difference, unit: own }) => (difference * unit) / own).filter((value) => value !== 0);
  const step = whole.reduce(divisor, 0);
  if (step === 0) return 1;
  const sizes = whole.map((value) => Math.abs(value) / step);
  const most = sizes.reduce((sum, size) => sum + size, 0);
  const seen = Math.abs(whole.reduce((sum, value) => sum + value, 0)) / step;
  // the share of ways by the sum of the differences that are positive
  let ways = new Float64Array(most + 1);
  ways[0] = 1;
  let reached = 0;
  for (const size of sizes) {
    const next = new Float64Array(most + 1);
    for (let sum = 0; sum <= reached; sum++) {
      next[sum]! += ways[sum]! / 2;
      next[sum + size]! += ways[sum]! / 2;
    }
    reached += size;
    ways = next;
  }
  let share = 0;
  for (let positive = 0; positive <= most; positive++)
    if (Math.abs(2 * positive - most) >= seen) share += ways[positive]!;
  return Math.min(1, share);
}

function divisor(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y > 0) [x, y] = [y, x % y];
  return x;
}
