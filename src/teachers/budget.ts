/** @file What sampling may use, in tokens and money: set aside before a request is made, counted when its answer is there. */

import { z } from "zod";
import type { Spent } from "../data/journal.ts";

export const BudgetOptions = z.strictObject({
  completion_tokens: z.int().positive().optional().describe("Tokens of completions."),
  total_tokens: z.int().positive().optional().describe("Of prompts and completions."),
  money: z.number().positive().optional().describe("In the currency of the teacher's price."),
});
export type BudgetOptions = z.output<typeof BudgetOptions>;

/** What a request used, or may use. */
export type Usage = {
  prompt_tokens: number;
  completion_tokens: number;
  /** Of the prompt those that were not computed anew. */
  cached_tokens?: number | null;
  /** Money, where the answer says it. */
  cost?: number | null;
};

/** What tokens cost, and who says so. */
export type Price = {
  currency: string;
  /** Such as "the recipe", or a table with its version. */
  source: string;
  of(usage: Usage): number;
};

/** Ends what was set aside for a request: what it used counts from then on. */
export type Reservation = { settle(used: Usage): void };

export type Budget = {
  readonly limits: BudgetOptions;
  readonly price: Price | undefined;
  /** Set aside what a request may use at most; undefined where that is more than what is left now. */
  reserve(most: Usage): Reservation | undefined;
  /** The limit for which `most` is too much, as a sentence; undefined where it would fit if nothing else were under way. */
  refusal(most: Usage): string | undefined;
};

type Amounts = Record<keyof BudgetOptions, number>;

/** A budget of which `before` is used already. */
export function openBudget(limits: BudgetOptions, price: Price | undefined, before: Spent): Budget {
  // money for a token, the most that any answer said, where there is no price beforehand
  let dearest = before.cost / Math.max(1, before.prompt_tokens + before.completion_tokens);
  const amounts = (usage: Usage): Amounts => {
    const total_tokens = usage.prompt_tokens + usage.completion_tokens;
    return {
      completion_tokens: usage.completion_tokens,
      total_tokens,
      money: usage.cost ?? price?.of(usage) ?? dearest * total_tokens,
    };
  };
  const names = Object.keys(limits).filter((name) => limits[name as keyof BudgetOptions] !== undefined) as [
    keyof BudgetOptions,
  ];
  const used = amounts({
    prompt_tokens: before.prompt_tokens + before.maybe.prompt_tokens,
    completion_tokens: before.completion_tokens + before.maybe.completion_tokens,
    cost: before.cost + before.maybe.cost,
  });
  const reserved: Amounts = { completion_tokens: 0, total_tokens: 0, money: 0 };
  const add = (to: Amounts, what: Amounts, sign: 1 | -1) => {
    for (const name of names) to[name] += sign * what[name];
  };
  const over = (most: Amounts, taken: Amounts) =>
    names.find((name) => used[name] + taken[name] + most[name] > limits[name]! + 1e-9);
  const none: Amounts = { completion_tokens: 0, total_tokens: 0, money: 0 };
  return {
    limits,
    price,
    reserve(most) {
      const wanted = amounts(most);
      if (over(wanted, reserved)) return undefined;
      add(reserved, wanted, 1);
      let open = true;
      return {
        settle(usage) {
          if (!open) return;
          open = false;
          if (usage.cost) dearest = Math.max(dearest, usage.cost / (usage.prompt_tokens + usage.completion_tokens));
          add(reserved, wanted, -1);
          add(used, amounts(usage), 1);
        },
      };
    },
    refusal(most) {
      const wanted = amounts(most);
      const name = over(wanted, none);
      if (!name) return undefined;
      const unit = name === "money" ? (price?.currency ?? "") : "tokens";
      const left = Math.max(0, limits[name]! - used[name]);
      return `the budget of ${show(limits[name]!)} ${name === "money" ? unit : `${name.replace("_", " ")}`} has ${show(left)} ${unit} left, and one more request may take ${show(wanted[name])}`;
    },
  };
}

const show = (amount: number) => (Number.isInteger(amount) ? String(amount) : amount.toPrecision(3));
