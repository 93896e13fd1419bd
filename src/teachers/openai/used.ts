/** @file What attempts use: the most that one may, what an answer did, and what one in vain may have. */

import type { Attempt, Used } from "../../data/journal.ts";
import type { Price } from "../budget.ts";
import type { GenerateOptions } from "../teacher.ts";
import type { Answer } from "./answer.ts";
import type { Assembler } from "./assemble.ts";
import type { Client, Question } from "./attempt.ts";
import type { Fault } from "./faults.ts";

/** The most that a request may use. */
export function mostOf(
  { prompt_tokens }: Pick<Question, "prompt_tokens">,
  { max_completion_length }: GenerateOptions,
  { price, longest }: Pick<Client, "price" | "longest">,
): Used {
  const completion_tokens = Math.max(max_completion_length, longest);
  return priced({ prompt_tokens, completion_tokens, cost: null }, price);
}

export const priced = (used: Used, price: Price | undefined): Used => ({
  ...used,
  cost: used.cost ?? price?.of(used) ?? null,
});

/** What an answer used; what it says itself that it cost counts more than any list of prices, but not than the recipe's. */
export function usedBy({ usage }: Answer, price: Price | undefined): Used {
  const { prompt_tokens, completion_tokens, cached_tokens } = usage;
  const said = price?.source.startsWith("the recipe") ? null : usage.cost;
  return {
    prompt_tokens,
    completion_tokens,
    cost: said ?? price?.of({ prompt_tokens, completion_tokens, cached_tokens }) ?? null,
  };
}

/** What an attempt without an answer may have cost: nothing where no work was done, else all that it was allowed. */
export function usedInVain(
  { outcome }: Fault,
  { most }: Attempt,
  { whole: { usage } }: Assembler,
  price: Price | undefined,
): { used: Used; certain: boolean } {
  if (!["lying", "failed", "cancelled"].includes(outcome))
    return { used: { prompt_tokens: 0, completion_tokens: 0, cost: 0 }, certain: true };
  if (outcome !== "lying" || usage?.completion_tokens == null) return { used: most, certain: false };
  const { prompt_tokens, completion_tokens, cost } = usage;
  const used = { prompt_tokens: prompt_tokens ?? 0, completion_tokens, cost: cost ?? null };
  return {
    used: completion_tokens === 0 ? { ...used, prompt_tokens: 0, cost: 0 } : priced(used, price),
    certain: true,
  };
}
