/** @file The gate of every export: does the file predict what the trained weights predict? */

import { DistillError } from "../core/errors.ts";
import { mostLikely } from "../generation/finite.ts";
import type { Continuation, ContinueOptions, ReferenceRunner, Runner } from "./runners/runner.ts";

/** How a file compares with the weights along their greedy continuations of some prompts. */
export type ParityReport = {
  name: string;
  prompts: number;
  /** Tokens compared. */
  tokens: number;
  /** Prompts that the file continues greedily with the same tokens. */
  identical_prompts: number;
  /** The first token, from 0, at which a continuation differs; of the prompt where it comes earliest. */
  first_divergence: number | null;
  /** KL(weights ‖ file) of the distributions of the next token, in nats. */
  mean_kl: number;
  max_kl: number;
  /** The share of tokens of which both find the same one most likely. */
  top1_agreement: number;
};

/** The reference's greedy continuation of each prompt, with what it finds likely there: computed once, for all files. */
export async function continueGreedily(
  reference: ReferenceRunner,
  prompts: readonly (readonly number[])[],
  options: ContinueOptions,
): Promise<Continuation[]> {
  if (prompts.some(({ length }) => length === 0))
    throw new DistillError("A prompt for the parity gate has no tokens. Give at least one.");
  return reference.continueGreedily(prompts, options);
}

/**
 * Compare a file with the reference, token by token. Up to the first token at which they differ both have seen the same
 * text, so that is where the file's own greedy continuation leaves the reference's.
 */
export async function compareRunner(
  name: string,
  candidate: Runner,
  continuations: readonly Continuation[],
  onText: (texts: number) => void = () => {},
): Promise<ParityReport> {
  let [tokens, identical, agreed, sum, max] = [0, 0, 0, 0, 0];
  let first: number | null = null;
  for (const [number, { prompt, completion, probabilities }] of continuations.entries()) {
    const text = [...prompt, ...completion].slice(0, -1);
    const found = await candidate.logits(text, prompt.length - 1);
    const [width, expected] = [found.length / completion.length, probabilities[0]!.length];
    if (width !== expected)
      throw new DistillError(
        `${name} gives ${width} logits for each token, and the trained weights ${expected}. Export it again from these weights.`,
      );
    let divergence: number | null = null;
    for (const [i, likely] of probabilities.entries()) {
      const logits = found.subarray(i * width, (i + 1) * width);
      const best = argmax(logits);
      const kl = divergenceOf(likely, logits, logits[best]!);
      sum += kl;
      max = Math.max(max, kl);
      if (best === factsOf(likely).best) agreed++;
      else divergence ??= i;
    }
    tokens += completion.length;
    if (divergence === null) identical++;
    else first = Math.min(first ?? divergence, divergence);
    onText(number + 1);
  }
  return {
    name,
    prompts: continuations.length,
    tokens,
    identical_prompts: identical,
    first_divergence: first,
    mean_kl: sum / tokens,
    max_kl: max,
    top1_agreement: agreed / tokens,
  };
}

/** Throw where a file is further from the weights than the recipe allows, in nats a token. */
export function requireParity({ name, mean_kl, top1_agreement }: ParityReport, limit: number): void {
  if (mean_kl <= limit) return;
  throw new DistillError(
    `${name} does not behave like the trained weights: its mean KL is ${mean_kl.toPrecision(3)} nats a token, at most ${limit} is allowed, and it agrees on ${(100 * top1_agreement).toFixed(1)} % of the tokens. Export it again, choose a finer dtype, or raise the limit.`,
  );
}

/**
 * KL(p ‖ q) in nats, of probabilities and of the distribution that logits stand for, the largest of which is `most`:
 * (Σ p ln p - Σ p q)/Σ p + ln Σ exp q - ln Σ p.
 */
function divergenceOf(p: Float32Array, q: Float32Array, most: number): number {
  const { entropy, total } = factsOf(p);
  let [weight, exponentials] = [0, 0];
  for (let i = 0; i < p.length; i++) {
    if (p[i] !== 0) weight += p[i]! * q[i]!; // -Infinity where the file excludes a token
    exponentials += Math.exp(q[i]! - most);
  }
  // p sums to 1 but for rounding, whose first order is taken out; rounding can leave it just below 0
  return Math.max(0, (-entropy - weight) / total + most + Math.log(exponentials) - Math.log(total));
}

type Facts = { entropy: number; total: number; best: number };
const known = new WeakMap<Float32Array, Facts>();

/** What is the same of the weights' probabilities for every file: -Σ p ln p, Σ p, and the likeliest token. */
function factsOf(p: Float32Array): Facts {
  let facts = known.get(p);
  if (!facts) {
    let [entropy, total] = [0, 0];
    for (const x of p) {
      if (x === 0) continue;
      entropy -= x * Math.log(x);
      total += x;
    }
    facts = { entropy, total, best: argmax(p) };
    known.set(p, facts);
  }
  return facts;
}

function argmax(logits: Float32Array): number {
  const best = mostLikely(logits);
  if (best === undefined)
    throw new DistillError(
      "A runner gives logits that are not finite. Expected numbers, or -Infinity for some tokens.",
    );
  return best;
}
