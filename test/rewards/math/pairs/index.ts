/** @file All ways of making pairs, and how the grader does on many of them. */

import { seededRandom } from "../../../../src/core/random.ts";
import { gradeMath } from "../../../../src/rewards/math/index.ts";
import { claims, opposites } from "./claims.ts";
import { bounds, kinks, marks, steps, sums } from "./functions.ts";
import { fractions, units, wholeNumbers } from "./numbers.ts";
import type { Maker, Pair } from "./pair.ts";
import { bases, cases, compounds, measuredFormulas, vectors } from "./quantities.ts";
import { choices, denials, equations, exceptions, lists, sets } from "./statements.ts";

const MAKERS: Readonly<Record<string, Maker>> = {
  "whole numbers": wholeNumbers,
  fractions,
  units,
  kinks,
  bounds,
  steps,
  sums,
  marks,
  choices,
  sets,
  exceptions,
  equations,
  lists,
  denials,
  claims,
  opposites,
  "measured formulas": measuredFormulas,
  compounds,
  bases,
  vectors,
  cases,
};

export type Count = { pairs: number; equal: number; missed: number; wrong: number };
export type Report = { kinds: Record<string, Count>; wrong: Pair[]; missed: Pair[] };

/** Grade as many pairs as asked for, each kind in turn. */
export function gradePairs(count: number, seed: number): Report {
  const random = seededRandom(seed);
  const names = Object.keys(MAKERS);
  const report: Report = { kinds: {}, wrong: [], missed: [] };
  for (let i = 0; i < count; i++) {
    const kind = names[i % names.length]!;
    const pair: Pair = { kind, profile: "strict", ...MAKERS[kind]!(random) };
    const { prediction, answer, equal, profile } = pair;
    const completion = profile === "strict" ? `\\boxed{${prediction}}` : prediction;
    const { verdict } = gradeMath({ completion, answer, profile });
    const counted = report.kinds[kind] ?? { pairs: 0, equal: 0, missed: 0, wrong: 0 };
    report.kinds[kind] = counted;
    counted.pairs++;
    if (equal) counted.equal++;
    if (equal && verdict !== "correct") {
      counted.missed++;
      report.missed.push(pair);
    } else if (!equal && verdict === "correct") {
      counted.wrong++;
      report.wrong.push(pair);
    }
  }
  return report;
}
