/** @file What is drawn and read from a batch's logits, once they are known to be finite. */

import type { GenerateOptions, Generation } from "../teacher.ts";
import type { Addon, LogitFilter, Sampler } from "./addon.ts";

/** Where in a batch logits are, and what draws from them. */
export type Drawn = { readonly index: number; readonly sampler: Sampler };

export type Drawing = {
  newSampler(seed: number): Sampler;
  /** A token of each of `outputs`. `refuse` makes the error for one whose logits are NaN or Infinity, or all -Infinity. */
  draw(outputs: readonly Drawn[], refuse: Refuse): Promise<number[]>;
  /** The most likely tokens of each of `outputs`, from logits that no sampler has changed. */
  top(outputs: readonly Pick<Drawn, "index">[], refuse: Refuse): Promise<NonNullable<Generation["top_logprobs"]>>;
  close(): void;
};

/** Of these no text is drawn. */
type DrawingOptions = Pick<GenerateOptions, "temperature" | "top_k" | "top_p" | "min_p" | "top_logprobs">;

type Refuse = (output: number) => Error;

/**
 * NaN or Infinity makes every sum that it is part of NaN: Σ exp(logit - the largest) of what truncation has left or, where
 * nothing is cut, the sampler's own, which then draws the last token of the `vocabulary`. So only tokens with such a sum,
 * or the last one, may come of logits that are not finite, and nothing is computed for the others.
 */
export function openDrawing(addon: Addon, vocabulary: number, options: DrawingOptions): Drawing {
  const { batches } = addon;
  const { temperature, top_k, top_p, min_p, top_logprobs } = options;
  const truncates = temperature <= 0 || top_k > 0 || top_p < 1 || min_p > 0;
  const checker = plainSampler(addon);
  const scorers: Sampler[] = [];
  let batch = 0;

  async function drawOne({ index, sampler }: Drawn): Promise<{ token: number; doubtful: boolean }> {
    if (truncates) {
      const [token, , , , total] = await batches.sampleToken(index, sampler, false, false, false, true);
      return { token, doubtful: Number.isNaN(total) };
    }
    const token = await batches.sampleToken(index, sampler);
    return { token, doubtful: token === vocabulary - 1 };
  }

  async function hasFinite({ index }: Drawn): Promise<boolean> {
    const [, , , , total] = await batches.sampleToken(index, checker, false, false, false, true);
    return !Number.isNaN(total);
  }

  return {
    newSampler(seed) {
      const sampler = addon.newSampler();
      sampler.applyConfig(samplerConfig(options, seed));
      return sampler;
    },

    async draw(outputs, refuse) {
      // what is cut away may not be finite either: of each batch, one output is looked at as a whole
      const spot = truncates && outputs.length > 0 ? batch++ % outputs.length : undefined;
      const [drawn, finite] = await Promise.all([
        Promise.all(outputs.map(drawOne)),
        spot === undefined || hasFinite(outputs[spot]!),
      ]);
      if (!finite) throw refuse(spot!);
      for (const [i, { doubtful }] of drawn.entries()) if (doubtful && !(await hasFinite(outputs[i]!))) throw refuse(i);
      return drawn.map(({ token }) => token);
    },

    async top(outputs, refuse) {
      while (scorers.length < outputs.length) scorers.push(plainSampler(addon));
      const filter: LogitFilter = [[], false, false, false, top_logprobs];
      const scored = await Promise.all(
        outputs.map(({ index }, i) => batches.sampleToken(index, scorers[i]!, false, false, filter, true)),
      );
      return scored.map(([, , , pairs, total], i) => {
        if (Number.isNaN(total)) throw refuse(i);
        const ids = pairs.filter((_, k) => k % 2 === 0);
        const logits = pairs.filter((_, k) => k % 2 === 1);
        const normalizer = logits[0]! + Math.log(total);
        return { ids, logprobs: logits.map((logit) => logit - normalizer) };
      });
    },

    close() {
      for (const sampler of [checker, ...scorers]) sampler.dispose();
    },
  };
}

/** llama.cpp reads this seed as "take a random one". */
const NO_SEED = 0xffffffff;

/** Only what is asked for: a top_k that keeps everything would sort the vocabulary for every token. */
function samplerConfig({ temperature, top_k, top_p, min_p }: DrawingOptions, seed: number) {
  if (temperature <= 0) return { temperature: 1, seed: 0, topK: 1 }; // greedy, and nothing else is left to sum
  return {
    temperature,
    seed: (seed >>> 0) % NO_SEED,
    ...(top_k > 0 ? { topK: top_k } : {}),
    ...(top_p < 1 ? { topP: top_p } : {}),
    ...(min_p > 0 ? { minP: min_p } : {}),
  };
}

/** It changes no logits. */
function plainSampler(addon: Addon): Sampler {
  const sampler = addon.newSampler();
  sampler.applyConfig({ temperature: 0, seed: 0 });
  return sampler;
}
