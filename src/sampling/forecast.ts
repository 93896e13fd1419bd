/** @file What sampling will take, from the answers that are there; and what it took. */

import type { Spent } from "../data/journal.ts";
import type { Price } from "../teachers/budget.ts";
import type { Wanted } from "./drawn.ts";
import { isHopeless } from "./give-up.ts";

/** What answers were like so far. */
export type Measured = { answers: number; accepted: number; prompt_tokens: number; completion_tokens: number };

export type Forecast = {
  /** Answers that it is taken from. */
  measured: number;
  requests: number;
  prompt_tokens: number;
  completion_tokens: number;
  /** Money, where a price is known. */
  cost: number | null;
};

/** Answers from which a forecast is taken. */
export const ENOUGH = 32;

/** All that is wanted of `prompts` prompts, those answers included. */
export function forecast(
  prompts: number,
  { answers, accepted, prompt_tokens, completion_tokens }: Measured,
  wanted: Omit<Wanted, "prompts">,
  price: Price | undefined,
): Forecast {
  const requests = prompts * expectedDraws((accepted + 1) / (answers + 2), wanted);
  const [read, written] = [(requests * prompt_tokens) / answers, (requests * completion_tokens) / answers];
  const usage = { prompt_tokens: Math.round(read), completion_tokens: Math.round(written) };
  return { measured: answers, requests: Math.round(requests), ...usage, cost: price?.of(usage) ?? null };
}

/** How much alike prompts are taken to be: the pass rates of prompts are a Beta distribution of this many pseudo-draws. */
const ALIKE = 1;

/** The draws that a prompt is expected to take, where the mean pass rate is `rate` and some prompts are harder than others. */
export function expectedDraws(
  rate: number,
  { num_generations, max_accepted, give_up }: Omit<Wanted, "prompts">,
): number {
  // the probability of each number of accepted ones among those that go on
  let going = new Map([[0, 1]]);
  let draws = 0;
  for (let seen = 0; seen < num_generations; seen++) {
    const after = new Map<number, number>();
    for (const [accepted, share] of going) {
      if (accepted >= max_accepted || isHopeless(give_up, accepted, seen)) continue;
      draws += share;
      const right = (ALIKE * rate + accepted) / (ALIKE + seen);
      after.set(accepted + 1, (after.get(accepted + 1) ?? 0) + share * right);
      after.set(accepted, (after.get(accepted) ?? 0) + share * (1 - right));
    }
    going = after;
  }
  return draws;
}

const count = (n: number) => Math.round(n).toLocaleString("en-GB");

/** 0.01234 → "0.0123 USD" */
export const money = (amount: number, currency: string) =>
  `${amount >= 100 ? amount.toFixed(0) : amount >= 0.1 ? amount.toFixed(2) : amount.toPrecision(3)} ${currency}`;

/** What is foreseen, as a sentence. */
export function describeForecast(
  { measured, requests, prompt_tokens, completion_tokens, cost }: Forecast,
  price: Price | undefined,
): string {
  const costs = cost === null || !price ? "" : `, ${money(cost, price.currency)} at the price of ${price.source}`;
  return `about ${count(requests)} requests, ${count(prompt_tokens)} prompt tokens and ${count(completion_tokens)} completion tokens${costs}; from ${measured} answers`;
}

/** What was spent, beside what was foreseen, as sentences. */
export function describeSpent(
  { requests, prompt_tokens, completion_tokens, cost, maybe }: Spent,
  price: Pick<Price, "currency" | "source"> | undefined,
  foreseen: Forecast | undefined,
): string[] {
  const currency = price?.currency ?? "USD"; // what answers say that they cost is in dollars
  const paid = (amount: number, known: boolean) => (known ? `, ${money(amount, currency)}` : "");
  const known = cost > 0 || price !== undefined;
  const lines = [
    `${count(requests)} answers: ${count(prompt_tokens)} prompt tokens and ${count(completion_tokens)} completion tokens${paid(cost, known)}${price && known ? ` (price of ${price.source})` : ""}`,
  ];
  if (foreseen)
    lines.push(
      `foreseen after ${foreseen.measured} answers: ${count(foreseen.requests)} requests, ${count(foreseen.prompt_tokens)} and ${count(foreseen.completion_tokens)} tokens${paid(foreseen.cost ?? 0, foreseen.cost !== null)}`,
    );
  if (maybe.requests > 0)
    lines.push(
      `maybe spent besides: ${count(maybe.requests)} request${maybe.requests === 1 ? "" : "s"} sent and not answered, at most ${count(maybe.prompt_tokens)} and ${count(maybe.completion_tokens)} tokens${paid(maybe.cost, known && maybe.cost > 0)}`,
    );
  return lines;
}
