/** @file What is asked of a sampler, and what its draws hang on. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import type { Prompt } from "../core/trace.ts";
import { BudgetOptions } from "../teachers/budget.ts";
import type { Wanted } from "./drawn.ts";
import { GiveUp } from "./give-up.ts";
import type { Answers } from "./ledger.ts";

export const SamplerOptions = z.object({
  /** Completions of each prompt. */
  num_generations: z.int().positive().default(4),
  /** No more completions of a prompt are drawn when so many were accepted; all are drawn unless given. */
  max_accepted: z.int().positive().optional(),
  /** No more are drawn of a prompt whose pass rate is all but certainly too low. */
  give_up: GiveUp.optional(),
  /** What may be used for it, in tokens and in money; counted over all runs of the same settings. */
  budget: BudgetOptions.optional(),
  temperature: z.number().nonnegative().default(0.6),
  top_p: z.number().gt(0).max(1).default(0.95),
  /** 0 is the whole vocabulary. */
  top_k: z.int().nonnegative().default(0),
  min_p: z.number().min(0).lt(1).default(0),
  max_completion_length: z.int().positive().default(2048),
  /** Texts that end a completion. */
  stop: z.array(z.string().min(1)).default([]),
  /** Put before every question as the system's turn. */
  system_prompt: z.string().optional(),
  /** How many most likely tokens are stored for each token, with the probability that is left; none unless given. */
  top_logprobs: z.int().positive().optional(),
  seed: z.int().nonnegative().default(0),
});
export type SamplerOptions = z.output<typeof SamplerOptions>;

/** What a draw hangs on beside its prompt; all other options say which draws there are. */
export const drawOptions = ({
  temperature,
  top_p,
  top_k,
  min_p,
  max_completion_length,
  stop,
  system_prompt,
  seed,
  top_logprobs,
}: SamplerOptions) => ({
  ...{ temperature, top_p, top_k, min_p, max_completion_length, stop, system_prompt, seed },
  ...(top_logprobs === undefined ? {} : { top_logprobs }),
});

/** What is asked for. */
export const wantedOf = (
  prompts: readonly Prompt[],
  { num_generations, max_accepted = Number.POSITIVE_INFINITY, give_up }: SamplerOptions,
): Wanted => ({
  prompts: new Map(prompts.map(({ id, prompt, answer = null }) => [id, { prompt, answer }])),
  num_generations,
  max_accepted,
  give_up,
});

/** The reference of a draw, where its prompt is still asked. */
export const answersOf =
  ({ prompts }: Wanted): Answers =>
  ({ prompt_id, prompt }) => {
    const known = prompts.get(prompt_id);
    return known?.prompt === prompt ? known.answer : undefined;
  };

/** Refuse prompts without answers where a rule compares with them, before anything is drawn. */
export function requireAnswers(prompts: readonly Prompt[], rule: string, path: string): void {
  const missing = prompts.filter(({ answer }) => answer === undefined || answer.trim() === "");
  if (missing.length > 0)
    throw new DistillError(
      `${missing.length} of ${prompts.length} prompts of ${path} have no answer (the first: "${missing[0]!.id}"), and the reward ${rule} compares with one. Give each an "answer", or leave ${rule} out.`,
    );
}
