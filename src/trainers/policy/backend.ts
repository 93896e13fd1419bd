/** @file Whether another backend draws a student's answers, and what its tokens then count. */

import { z } from "zod";
import type { Rollout } from "../../data/rollouts.ts";
import type { Backend, PromptTokens, Rollouts } from "../rollouts.ts";
import { average } from "./advantages.ts";
import type { GrpoOptions } from "./options.ts";

/** The backend is chosen where it is faster than the sampler, the weights written and opened in its time. */
export function openChoice(
  backend: Backend,
  rollouts: Pick<Rollouts, "compare">,
  { max_completion_length, num_generations }: GrpoOptions,
) {
  let draws: boolean | undefined;
  return {
    /** Choose, by answers to these prompts, where that is not done; false where the signal ended it. */
    async made(prompts: readonly PromptTokens[]): Promise<boolean> {
      if (draws !== undefined) return true;
      if (backend.always) {
        draws = true;
        console.log(`The student's answers are drawn by ${backend.name}, and corrected for it.`);
        return true;
      }
      const rates = await rollouts.compare(prompts, { max_completion_length, num_generations }, backend);
      if (!rates) return false;
      draws = rates.backend > rates.own;
      const [a, b] = [rates.own, rates.backend].map((rate) => `${Math.round(rate).toLocaleString("en-US")} tokens/s`);
      console.log(
        `Drawn by the trainer's own sampler: ${a}; by ${backend.name}, with writing and opening: ${b}. The ${draws ? "latter" : "former"} is used.`,
      );
      return true;
    },
    chosen: (): Backend | undefined => (draws ? backend : undefined),
    save: () => draws ?? null,
    restore(saved: unknown) {
      draws = z.boolean().nullable().parse(saved) ?? undefined;
    },
  };
}

/** What a token counts that another sampler drew: the ratio of its probabilities, cut where it is large, as in TRL. */
const MOST = 2;
export const importance = (own: number, sampler: number | null) =>
  sampler === null ? 1 : Math.min(MOST, Math.exp(own - sampler));

/** How far another sampler's probabilities are from the trainer's, as TRL logs it, and how many it does not say. */
export function samplerMetrics(drawn: readonly Rollout[]): Record<string, number> {
  const pairs = drawn.flatMap(({ logprobs, sampler_logprobs = [] }) =>
    sampler_logprobs.map((x, t) => [logprobs[t]!, x] as const),
  );
  if (pairs.length === 0) return {};
  const told = pairs.flatMap(([own, sampler]) => (sampler === null ? [] : [[own, sampler] as const]));
  return {
    "sampling/sampling_logp_difference/mean": average(told.map(([own, sampler]) => Math.abs(own - sampler))),
    "sampling/importance_sampling_ratio/mean": average(pairs.map(([own, sampler]) => importance(own, sampler))),
    "sampling/untold": 1 - told.length / pairs.length,
  };
}
