/** @file What a value head learns from, and what it makes of rewards (PPO, arXiv:1707.06347). */

import type { Parameter } from "../../models/model.ts";
import { average } from "./advantages.ts";

/** A linear layer beside the student's own: it begins with 0 for every state. */
export const VALUE_HEAD = { weight: "value_head.weight", bias: "value_head.bias" } as const;

export const valueParameters = (width: number): Parameter[] => [
  { name: VALUE_HEAD.weight, shape: [1, width], init: "zeros" },
  { name: VALUE_HEAD.bias, shape: [1], init: "zeros" },
];

/**
 * Generalised advantages (arXiv:1506.02438) of the tokens of a completion that is rewarded at its end: of value v[t] before
 * token t, δ[t] = r[t] + γ v[t + 1] - v[t] and A[t] = δ[t] + γ λ A[t + 1], where after the end all is 0; and the returns A + v.
 */
export function generalisedAdvantages(
  values: readonly number[],
  reward: number,
  { gamma, lam }: { gamma: number; lam: number },
): { advantages: number[]; returns: number[] } {
  const advantages = new Array<number>(values.length).fill(0);
  let [later, next] = [0, 0];
  for (let t = values.length - 1; t >= 0; t--) {
    const earned = t === values.length - 1 ? reward : 0;
    later = earned + gamma * next - values[t]! + gamma * lam * later;
    next = values[t]!;
    advantages[t] = later;
  }
  return { advantages, returns: advantages.map((advantage, t) => advantage + values[t]!) };
}

/** Numbers over all completions with a mean of 0 and a deviation of 1, as TRL's masked_whiten. */
export function whitened(completions: readonly (readonly number[])[]): number[][] {
  const all = completions.flat();
  const mean = average(all);
  const variance = all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, all.length - 1);
  const scale = 1 / Math.sqrt(variance + 1e-8);
  return completions.map((completion) => completion.map((x) => (x - mean) * scale));
}
