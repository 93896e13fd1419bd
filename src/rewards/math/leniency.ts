/** @file What else than equality a reader may ask for: a tolerance, the reference's precision, percent without its sign. */

import { asDecimal } from "./algebra/decimal.ts";
import { toNumber } from "./algebra/rational.ts";
import type { Budget } from "./limits.ts";
import { approximate } from "./sampling/sample.ts";
import { type Node, symbols } from "./tree.ts";

export type Leniency = {
  /** Numbers are equal within this share of the reference. */
  relative_tolerance?: number | undefined;
  /** `reference`: a number that rounds to the reference's decimals equals it. */
  precision?: "exact" | "reference" | undefined;
  /** `optional`: 28 and 28 % are the same, whichever of them is asked for. */
  percent_sign?: "required" | "optional" | undefined;
};

/** The rule by which a number is near enough to the reference. */
export function nearEnough(prediction: Node, reference: Node, leniency: Leniency, budget: Budget): string | undefined {
  const { relative_tolerance: tolerance = 0, precision } = leniency;
  if (tolerance <= 0 && precision !== "reference") return undefined;
  if (symbols(prediction).size > 0 || symbols(reference).size > 0) return undefined;
  const [p, g] = [approximate(prediction, budget), approximate(reference, budget)];
  if (![p, g].every(({ re, im, error }) => Number.isFinite(re) && Math.abs(im) <= 4 * error)) return undefined;
  const apart = Math.abs(p.re - g.re);
  if (apart <= tolerance * Math.abs(g.re)) return "within the tolerance";
  const decimal = precision === "reference" ? asDecimal(reference) : undefined;
  return decimal && apart <= toNumber(decimal.place) * (0.5 + 1e-9) ? "to the reference's precision" : undefined;
}
