/** @file The gate of every export: does the file predict what the trained weights predict? */

import { DistillError } from "../core/errors.ts";
import { mostLikely } from "../generation/finite.ts";
import type { ReferenceRunner, Runner } from "./runners/runner.ts";

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

/** A prompt and what the reference says after it. */
export type Continuation = { prompt: readonly number[]; completion: readonly number[] };

/** The reference's greedy continuation of each prompt, up to one of the stop tokens (which is part of it) or the limit. */
export async function continueGreedily(
  reference: ReferenceRunner,
  prompts: readonly (readonly number[])[],
  options: { stops: readonly number[]; max_completion_length: number },
): Promise<Continuation[]> {
  if (prompts.some(({ length }) => length === 0))
    throw new DistillError("A prompt for the parity gate has no tokens. Give at least one.");
  const completions = await reference.continueGreedily(prompts, options);
  return prompts.map((prompt, i) => ({ prompt, completion: completions[i]! }));
}

/**
 * Compare a file with the reference, token by token. Up to the first token at which they differ both have seen the same
 * text, so that is where the file's own greedy continuation leaves the reference's.
 */
export async function compareRunners(
  name: string,
  reference: Runner,
  candidate: Runner,
  continuations: readonly Continuation[],
): Promise<ParityReport> {
  let [tokens, identical, agreed, sum, max] = [0, 0, 0, 0, 0];
  let first: number | null = null;
  for (const { prompt, completion } of continuations) {
    const text = [...prompt, ...completion].slice(0, -1);
    const [expected, found] = [await reference.logits(text), await candidate.logits(text)];
    if (expected.length !== found.length)
      throw new DistillError(
        `${name} gives ${found.length / text.length} logits for each token, and the trained weights ${expected.length / text.length}. Export it again from these weights.`,
      );
    const width = expected.length / text.length;
    let divergence: number | null = null;
    for (let i = 0; i < completion.length; i++) {
      const row = (logits: Float32Array) => {
        const at = prompt.length - 1 + i;
        return logits.subarray(at * width, (at + 1) * width);
      };
      const kl = divergenceOf(row(expected), row(found));
      sum += kl;
      max = Math.max(max, kl);
      if (argmax(row(found)) === argmax(row(expected))) agreed++;
      else divergence ??= i;
    }
    tokens += completion.length;
    if (divergence === null) identical++;
    else first = Math.min(first ?? divergence, divergence);
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

/** KL(p ‖ q) of the distributions that logits stand for, in nats. */
function divergenceOf(p: Float32Array, q: Float32Array): number {
  const [zp, zq] = [logSumExp(p), logSumExp(q)];
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const logp = p[i]! - zp;
    if (logp > Number.NEGATIVE_INFINITY) sum += Math.exp(logp) * (logp - (q[i]! - zq));
  }
  return Math.max(0, sum); // rounding can leave it just below
}

function logSumExp(logits: Float32Array): number {
  const max = logits[argmax(logits)]!;
  let sum = 0;
  for (const x of logits) sum += Math.exp(x - max);
  return max + Math.log(sum);
}

function argmax(logits: Float32Array): number {
  const best = mostLikely(logits);
  if (best === undefined)
    throw new DistillError(
      "A runner gives logits that are not finite. Expected numbers, or -Infinity for some tokens.",
    );
  return best;
}
