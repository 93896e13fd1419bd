/** @file Drawing a token from logits, or from probabilities. */

import { mostLikely } from "./finite.ts";

export type DrawOptions = { temperature: number; top_k: number; top_p: number; min_p: number };

/**
 * A token of `logits`. Truncation acts on the model's own distribution and temperature on what is left, as in llama.cpp;
 * `uniform`, in [0, 1), is asked only where more than one token is left. Temperature 0 is the most likely token. Undefined
 * where a logit is NaN or Infinity, or all are -Infinity.
 */
export function drawToken(logits: Float32Array, options: DrawOptions, uniform: () => number): number | undefined {
  const best = mostLikely(logits);
  if (best === undefined || options.temperature <= 0) return best;
  const max = logits[best]!;
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - max));
  return drawn(
    weights,
    1,
    weights.reduce((a, b) => a + b),
    options,
    uniform,
  );
}

/** The same of the probabilities that logits stand for; undefined where they are NaN. */
export function drawProbable(
  probabilities: Float32Array,
  options: DrawOptions,
  uniform: () => number,
): number | undefined {
  const { temperature, top_k, top_p, min_p } = options;
  if (Number.isNaN(probabilities[0])) return undefined;
  if (temperature === 1 && top_k <= 0 && top_p >= 1 && min_p <= 0) return inverse(probabilities, uniform());
  const best = mostLikely(probabilities);
  if (best === undefined || temperature <= 0) return best;
  return drawn(probabilities, probabilities[best]!, 1, options, uniform);
}

/** The first token up to which probabilities sum to more than `target`. */
function inverse(probabilities: Float32Array, target: number): number {
  let sum = 0;
  for (let id = 0; id < probabilities.length; id++) {
    sum += probabilities[id]!;
    if (sum > target) return id;
  }
  return probabilities.findLastIndex((p) => p > 0); // rounding can leave the sum just below
}

/** A token of weights that sum to `total` and of which `max` is the largest. */
function drawn(
  weights: Float32Array | Float64Array,
  max: number,
  total: number,
  { temperature, top_k, top_p, min_p }: DrawOptions,
  uniform: () => number,
): number {
  // tokens below this hold less than 1 - top_p together, so none of them is needed
  const least = Math.max(min_p * max, top_p < 1 ? ((1 - top_p) * total) / weights.length : 0);
  let candidates: number[] = [];
  if (top_k > 0) candidates = likeliest(weights, top_k).filter((id) => weights[id]! >= least);
  else for (let id = 0; id < weights.length; id++) if (weights[id]! >= least) candidates.push(id);
  if (top_k <= 0 && top_p < 1) candidates.sort((a, b) => weights[b]! - weights[a]! || a - b);
  if (top_p < 1) {
    const limit = top_p * (top_k > 0 ? candidates.reduce((sum, id) => sum + weights[id]!, 0) : total);
    let [sum, count] = [0, 0];
    while (count < candidates.length && sum < limit) sum += weights[candidates[count++]!]!;
    candidates = candidates.slice(0, Math.max(1, count));
  }
  if (candidates.length === 1) return candidates[0]!;
  const tempered = candidates.map((id) => (weights[id]! / max) ** (1 / temperature));
  const target = uniform() * tempered.reduce((a, b) => a + b, 0);
  let sum = 0;
  for (const [i, weight] of tempered.entries()) {
    sum += weight;
    if (sum >= target) return candidates[i]!;
  }
  return candidates.at(-1)!;
}

/** The ids of the `count` largest weights, the largest first and of equal ones the first. */
function likeliest(weights: Float32Array | Float64Array, count: number): number[] {
  const best: number[] = [];
  for (let id = 0; id < weights.length; id++) {
    const p = weights[id]!;
    if (best.length === count && !(p > weights[best[count - 1]!]!)) continue;
    let [low, high] = [0, best.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (weights[best[middle]!]! >= p) low = middle + 1;
      else high = middle;
    }
    if (best.length === count) best.pop();
    best.splice(low, 0, id);
  }
  return best;
}
