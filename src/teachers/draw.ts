/** @file Drawing a token from logits. */

export type DrawOptions = { temperature: number; top_k: number; top_p: number; min_p: number };

/**
 * A token of `logits`, chosen by `u`, uniform in [0, 1). Truncation acts on the model's own distribution and temperature on
 * what is left, the order in which llama.cpp samples. Temperature 0 is the most likely token.
 */
export function drawToken(logits: Float32Array, { temperature, top_k, top_p, min_p }: DrawOptions, u: number): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  if (temperature <= 0) return best;
  const max = logits[best]!;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - max);
  // tokens below this hold less than 1 - top_p together, so none of them is needed
  const least = top_p < 1 ? ((1 - top_p) * total) / logits.length : 0;
  let candidates: { id: number; p: number }[] = [];
  for (let id = 0; id < logits.length; id++) {
    const p = Math.exp(logits[id]! - max);
    if (p >= least && p >= min_p) candidates.push({ id, p });
  }
  candidates.sort((a, b) => b.p - a.p || a.id - b.id);
  if (top_k > 0) candidates = candidates.slice(0, top_k);
  if (top_p < 1) {
    const limit = top_p * (top_k > 0 ? candidates.reduce((sum, { p }) => sum + p, 0) : total);
    let [sum, count] = [0, 0];
    while (count < candidates.length && sum < limit) sum += candidates[count++]!.p;
    candidates = candidates.slice(0, Math.max(1, count));
  }
  const weights = candidates.map(({ p }) => p ** (1 / temperature));
  let left = u * weights.reduce((a, b) => a + b, 0);
  for (const [i, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return candidates[i]!.id;
  }
  return candidates.at(-1)!.id;
}
