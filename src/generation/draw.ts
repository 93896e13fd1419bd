/** @file Drawing a token from logits. */

import { mostLikely } from "./finite.ts";

export type DrawOptions = { temperature: number; top_k: number; top_p: number; min_p: number };

/**
 * A token of `logits`. Truncation acts on the model's own distribution and temperature on what is left, as in llama.cpp;
 * `uniform`, in [0, 1), is asked only where more than one token is left. Temperature 0 is the most likely token. Undefined
 * where a logit is NaN or Infinity, or all are -Infinity.
 */
export function drawToken(
  logits: Float32Array,
  { temperature, top_k, top_p, min_p }: DrawOptions,
  uniform: () => number,
): number | undefined {
  const best = mostLikely(logits);
  if (best === undefined || temperature <= 0) return best;
  const max = logits[best]!;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - max);
  // tokens below this hold less than 1 - top_p together, so none of them is needed
  const least = Math.max(min_p, top_p < 1 ? ((1 - top_p) * total) / logits.length : 0);
  let candidates: { id: number; p: number }[] = [];
  for (let id = 0; id < logits.length; id++) {
    const p = Math.exp(logits[id]! - max);
    if (p >= least) candidates.push({ id, p });
  }
  if (top_k > 0 || top_p < 1) candidates.sort((a, b) => b.p - a.p || a.id - b.id);
  if (top_k > 0) candidates = candidates.slice(0, top_k);
  if (top_p < 1) {
    const limit = top_p * (top_k > 0 ? candidates.reduce((sum, { p }) => sum + p, 0) : total);
    let [sum, count] = [0, 0];
    while (count < candidates.length && sum < limit) sum += candidates[count++]!.p;
    candidates = candidates.slice(0, Math.max(1, count));
  }
  if (candidates.length === 1) return candidates[0]!.id;
  const weights = candidates.map(({ p }) => p ** (1 / temperature));
  const target = uniform() * weights.reduce((a, b) => a + b, 0);
  let sum = 0;
  for (const [i, weight] of weights.entries()) {
    sum += weight;
    if (sum >= target) return candidates[i]!.id;
  }
  return candidates.at(-1)!.id;
}
