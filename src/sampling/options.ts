/** @file What is asked of a sampler, and what its draws hang on. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { several, tokens } from "../core/sizes.ts";
import type { Prompt } from "../core/trace.ts";
import { BudgetOptions } from "../teachers/budget.ts";
import type { Wanted } from "./drawn.ts";
import { GiveUp } from "./give-up.ts";
import type { Answers } from "./ledger.ts";

export const SamplerOptions = z.object({
  num_generations: several.default(4).describe("Completions of each prompt."),
  max_accepted: z
    .int()
    .positive()
    .optional()
    .describe("No more completions of a prompt are drawn when so many were accepted; all are drawn unless given."),
  give_up: GiveUp.optional().describe("No more are drawn of a prompt whose pass rate is all but certainly too low."),
  budget: BudgetOptions.optional().describe(
    "What may be used for it, in tokens and in money; counted over all runs of the same settings.",
  ),
  temperature: z.number().nonnegative().default(0.6).describe("By which logits are divided; 0 is greedy."),
  top_p: z
    .number()
    .gt(0)
    .max(1)
    .default(0.95)
    .describe("Draw from the most likely tokens that have this share of the probability."),
  top_k: z.int().nonnegative().default(0).describe("0 is the whole vocabulary."),
  min_p: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe("Leave out tokens with less than this share of the most likely token's probability."),
  max_completion_length: tokens.default(2048).describe("The most tokens of a completion."),
  stop: z.array(z.string().min(1)).default([]).describe("Texts that end a completion."),
  system_prompt: z.string().optional().describe("Put before every question as the system's turn."),
  top_logprobs: z
    .int()
    .positive()
    .optional()
    .describe(
      "How many most likely tokens are stored for each token, with the probability that is left; none unless given.",
    ),
  seed: z.int().nonnegative().default(0).describe("Of all draws, each of which has its own by its prompt and number."),
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
