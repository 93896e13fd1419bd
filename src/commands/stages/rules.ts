/** @file The rules of a recipe, opened, with what their judge answered earlier. */

import { type JudgedSpec, type Judges, openJudges, openRules } from "../../judging/open.ts";
import type { WeightedReward } from "../../rewards/judge.ts";
import { describeSpent } from "../../sampling/forecast.ts";
import { type Context, contentOfTeacher } from "./context.ts";

export type Rules = { rewards: WeightedReward[]; judges: Judges; close(): Promise<void> };

/** `close` frees what they have opened. */
export async function openRulesOf(
  context: Pick<Context, "hub" | "folder">,
  rules: readonly JudgedSpec[],
  signal: AbortSignal,
): Promise<Rules> {
  const judges = openJudges({
    contentOf: (teacher) => contentOfTeacher(context, teacher),
    place: (key) => context.folder.place(`journal/${key}`),
    signal,
  });
  return { rewards: await openRules(rules, judges), judges, close: judges.close };
}

/** Say what a judge has cost so far, where it is paid for. */
export function tellJudges(judges: Pick<Judges, "spent">): void {
  for (const { spent, price } of judges.spent())
    if (spent.requests + spent.maybe.requests > 0)
      for (const line of describeSpent(spent, price, undefined)) console.log(`The judge: ${line}.`);
}
