/** @file How sure a mean over problems is. */

/** The 97.5th percentile of the normal distribution. */
export const Z = 1.959963984540054;

export const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length);

/** Of a sample, with n − 1 below. */
export function variance(values: readonly number[]): number {
  const center = mean(values);
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0) / Math.max(1, values.length - 1);
}

/**
 * Wilson's score interval for the mean of shares. Several samples of one problem are not independent, so the sample size
 * is the number of coin flips that would vary as much as the problems do, at least the number of problems.
 */
export function wilson95(shares: readonly number[]): [low: number, high: number] {
  const n = shares.length;
  const p = mean(shares);
  const spread = variance(shares);
  const size = spread > 0 ? Math.max(n, (p * (1 - p) * n) / spread) : n;
  const center = (p + Z ** 2 / (2 * size)) / (1 + Z ** 2 / size);
  const half = (Z / (1 + Z ** 2 / size)) * Math.sqrt((p * (1 - p)) / size + Z ** 2 / (4 * size ** 2));
  return [Math.max(0, center - half), Math.min(1, center + half)];
}
