import { DistillError } from "../core/errors.ts";

/**
 * The probability that one of k samples is right, where `right` of n are: 1 − C(n − right, k) / C(n, k), which is unbiased
 * (Chen et al., 2021, eq. 1).
 */
export function passAtK(n: number, right: number, k: number): number {
  if (k > n) throw new DistillError(`pass@${k} needs ${k} samples of each problem, and there are ${n}.`);
  let none = 1;
  for (let i = n - right + 1; i <= n; i++) none *= Math.max(0, 1 - k / i);
  return 1 - none;
}

/** The powers of two below n, and n. */
export const powersUpTo = (n: number): number[] => {
  const powers: number[] = [];
  for (let k = 1; k < n; k *= 2) powers.push(k);
  return [...powers, n];
};
