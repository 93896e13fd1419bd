/** @file From rewards to what each token of a completion counts: advantages, and each token's share in the loss. */

export const SCALES = ["group", "batch", "none"] as const;
export type Scale = (typeof SCALES)[number];

export const LOSS_TYPES = ["dapo", "grpo", "bnpo", "dr_grpo"] as const;
export type LossType = (typeof LOSS_TYPES)[number];

/** Keeps a deviation of 0 from dividing. */
const TINY = 1e-4;

/**
 * The advantage of each completion of `groups`, whose rewards are null where nothing is known: such a completion is in no
 * mean, and its advantage is 0. reward - mean of the group, over the deviation of the group or of all, or as it is.
 */
export function groupAdvantages(groups: readonly (readonly (number | null)[])[], scale: Scale): number[][] {
  const spread = scale === "batch" ? deviation(groups.flatMap(known)) : undefined;
  return groups.map((group) => {
    const rewards = known(group);
    const mean = average(rewards);
    const divisor = scale === "none" ? 1 : (spread ?? deviation(rewards)) + TINY;
    return group.map((reward) => (reward === null ? 0 : (reward - mean) / divisor));
  });
}

/** The advantage over a mean of what earlier steps were rewarded, over the deviation of all. */
export function movingAdvantages(
  groups: readonly (readonly (number | null)[])[],
  baseline: number,
  scale: Scale,
): number[][] {
  const divisor = scale === "none" ? 1 : deviation(groups.flatMap(known)) + TINY;
  return groups.map((group) => group.map((reward) => (reward === null ? 0 : (reward - baseline) / divisor)));
}

const known = (rewards: readonly (number | null)[]): number[] => rewards.filter((reward) => reward !== null);

export const average = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / (xs.length || 1);

/** √(Σ (x - mean)² / (n - 1)), as PyTorch's std; 0 of fewer than two. */
export function deviation(xs: readonly number[]): number {
  if (xs.length < 2) return 0;
  const mean = average(xs);
  return Math.sqrt(xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (xs.length - 1));
}

/**
 * What a token of each completion counts in the loss, by the completions' lengths. grpo: a mean over completions of the mean
 * over tokens (arXiv:2402.03300). bnpo: a mean over the tokens that are trained. dapo (arXiv:2503.14476): a mean over all
 * tokens that were sampled, `sampled`. dr_grpo (arXiv:2503.20783): over completions as if all had `longest` tokens.
 */
export function tokenShares(lengths: readonly number[], type: LossType, longest: number, sampled: number): number[] {
  const trained = Math.max(
    1,
    lengths.reduce((a, b) => a + b, 0),
  );
  const share: Record<LossType, (length: number) => number> = {
    grpo: (length) => 1 / (length * lengths.length),
    bnpo: () => 1 / trained,
    dapo: () => 1 / Math.max(1, sampled),
    dr_grpo: () => 1 / (lengths.length * longest),
  };
  return lengths.map((length) => (length === 0 ? 0 : share[type](length)));
}
