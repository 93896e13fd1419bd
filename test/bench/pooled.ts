/** @file One number of several runs that were measured on the same problems. */

export type Interval = { mean: number; ci95: [low: number, high: number] };

/**
 * The mean of `shares[run][problem]` and its 95 % interval for other runs and other problems: the variance of the means of
 * problems over P, and of the means of runs over R, less that of what neither explains over R · P, which both hold. Three
 * runs say little of how far runs differ, so the second counts for no less than nothing.
 */
export function pooled(shares: readonly (readonly number[])[]): Interval {
  const [R, P] = [shares.length, shares[0]!.length];
  const runs = shares.map(average);
  const problems = shares[0]!.map((_, problem) => average(shares.map((run) => run[problem]!)));
  const mean = average(runs);
  const rest = shares.flatMap((run, r) => run.map((share, p) => share - runs[r]! - problems[p]! + mean));
  const ofProblems = squares(problems, mean) / (P - 1) / P;
  const ofRuns = R > 1 ? squares(runs, mean) / (R - 1) / R - squares(rest, 0) / ((R - 1) * (P - 1)) / (R * P) : 0;
  const half = 1.959964 * Math.sqrt(ofProblems + Math.max(0, ofRuns));
  return { mean, ci95: [mean - half, mean + half] };
}

const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

const squares = (values: readonly number[], from: number) =>
  values.reduce((sum, value) => sum + (value - from) ** 2, 0);
