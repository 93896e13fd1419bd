/** @file What one grading may cost: every loop of the grader runs against one of these. */

export const LIMITS = {
  /** Characters of a completion that are read, from its end. */
  completion: 200_000,
  /** Characters of one answer. */
  answer: 4_000,
  /** Tokens of one answer. */
  tokens: 1_500,
  /** Depth of brackets and of trees. */
  depth: 48,
  /** Digits of one number as written. */
  digits: 1_200,
  /** Bits of an exact integer. */
  bits: 24_000,
  /** The largest exponent by which a sum is multiplied out. */
  expansion: 40,
  /** The largest n whose n! is multiplied out. */
  factorial: 2_200,
  /** Terms of a polynomial. */
  terms: 200,
  /** Visits of nodes in one comparison. */
  work: 60_000,
  /** Products of terms in the normal forms of one comparison, weighted by their length. */
  products: 2_000,
} as const;

/** Thrown where an input asks for more than the limits; the grader turns it into a reason. */
export class Beyond extends Error {
  override name = "Beyond";
}

/** A purse of work: `spend` throws `Beyond` when it is empty. */
export type Budget = { spend(work: number): void };

export function openBudget(work: number = LIMITS.work): Budget {
  let left = work;
  return {
    spend(amount) {
      left -= amount;
      if (left < 0) throw new Beyond("the answer asks for too much work");
    },
  };
}
