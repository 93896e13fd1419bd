/** @file Logits are numbers, or -Infinity for tokens that are masked. With anything else there is nothing to draw from. */

import { DistillError } from "../core/errors.ts";

/** The token with the largest of `logits`, the first of equal ones; undefined where one is NaN or Infinity, or all are -Infinity. */
export function mostLikely(logits: Float32Array): number | undefined {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    const x = logits[i]!;
    if (!(x < Number.POSITIVE_INFINITY)) return undefined;
    if (x > logits[best]!) best = i;
  }
  return logits[best]! > Number.NEGATIVE_INFINITY ? best : undefined;
}

/**
 * Throw where the logits after one of some tokens, [tokens, vocab] from the model in `path`, are not to be drawn from. `cure`
 * is a sentence that says what to take instead.
 */
export function requireFinite(path: string, logits: Float32Array, vocab: number, cure?: string): Float32Array {
  for (let start = 0; start < logits.length; start += vocab)
    if (mostLikely(logits.subarray(start, start + vocab)) === undefined)
      throw notFinite(path, `after token ${start / vocab + 1} of ${logits.length / vocab}`, cure);
  return logits;
}

/** Which request it is, for `notFinite`. */
export const forRequest = ({ prompt }: { prompt: string }, index: number) =>
  `for request ${index}, whose prompt begins with ${JSON.stringify(prompt.slice(0, 40))}`;

/** The error of a model whose logits are not to be drawn from. */
export const notFinite = (path: string, where: string, cure = OTHER) =>
  new DistillError(
    `${path} gives logits that are not finite ${where}. Expected numbers, or -Infinity for some tokens. ${cure}`,
  );

const OTHER =
  "Either its weights are not finite or its precision overflows: take the file in fp32, or the weights of an earlier checkpoint.";
