/** @file What rules say of the traces, and the dataset of traces with it. */

import { startProgress } from "../../core/progress.ts";
import type { Judgement } from "../../core/trace.ts";
import { fillDataset } from "../../data/dataset-folder.ts";
import { readTraces } from "../../data/traces.ts";
import type { Stage } from "../../recipe/stages.ts";
import { judgeGroup, type WeightedReward } from "../../rewards/judge.ts";
import type { Sample } from "../../rewards/reward.ts";
import { traceRows, tracesIn, type Wanted } from "../../sampling/drawn.ts";
import { openTraceLedger, sampleOf, type TraceLedger } from "../../sampling/ledger.ts";
import { answersOf, wantedOf } from "../../sampling/options.ts";
import { type Context, inputOfRules, NAMES, placeOf } from "./context.ts";
import { openRulesOf, tellJudges } from "./rules.ts";
import { samplingOf } from "./sample.ts";

export function judgeStage(context: Context): Stage {
  const { options, rules, prompts, ledger: kept } = samplingOf(context);
  return {
    name: "judge",
    after: ["sample"],
    inputs: () => ({ rewards: inputOfRules(context, rules) }),
    leaves: [NAMES.traces],
    async run({ key, folder, signal, requireUnchanged }) {
      const opened = await openRulesOf(context, rules, signal);
      const { rewards } = opened;
      const progress = startProgress("judge", 0, "trace");
      let ledger: TraceLedger | undefined;
      try {
        requireUnchanged();
        const wanted = wantedOf(prompts(), options);
        const onJudged = (done: number, all: number) => progress.update(done, "", all);
        ledger = await openTraceLedger(kept().place(), rewards, answersOf(wanted), { signal, onJudged });
        if (!ledger) return { stopped: true, result: {} };
        let judged: ((row: number) => Judgement) | undefined;
        if (rewards.some(({ ofGroup }) => ofGroup)) {
          judged = await judgeGroups(ledger, wanted, rewards, signal, onJudged);
          if (!judged) return { stopped: true, result: {} };
        }
        const traces = tracesIn(ledger, wanted, judged);
        await folder.writeFolder(NAMES.traces, key, (into) => fillDataset(into, traces));
        tellJudges(opened.judges);
      } finally {
        ledger?.close();
        progress.end();
        await opened.close();
      }
      return { result: counts(context) };
    },
  };
}

/** What rules that compare the samples of a prompt say of each draw, by its number. Nothing where it was stopped. */
async function judgeGroups(
  ledger: TraceLedger,
  wanted: Wanted,
  rewards: readonly WeightedReward[],
  signal: AbortSignal,
  onJudged: (done: number, all: number) => void,
): Promise<((row: number) => Judgement) | undefined> {
  const groups = new Map<string, { row: number; sample: Sample }[]>();
  let all = 0;
  for (const { row, ...trace } of traceRows(ledger, wanted)) {
    const group = groups.get(trace.prompt_id) ?? [];
    group.push({ row, sample: sampleOf(trace) });
    groups.set(trace.prompt_id, group);
    all++;
  }
  const judgements = new Map<number, Judgement>();
  for (const group of groups.values()) {
    if (signal.aborted) return undefined;
    const given = await judgeGroup(
      rewards,
      group.map(({ sample }) => sample),
    );
    for (const [i, { row }] of group.entries()) judgements.set(row, given[i]!);
    onJudged(judgements.size, all);
  }
  return (row) => judgements.get(row)!;
}

/** How many traces there are, were accepted, and have each verdict of rules and of a judge. */
function counts(context: Context): Record<string, number> {
  const result: Record<string, number> = { drawn: 0, accepted: 0 };
  const count = (name: string) => {
    result[name] = (result[name] ?? 0) + 1;
  };
  for (const { verdict, judge_verdict, accepted } of readTraces(placeOf(context, "traces"))) {
    result.drawn!++;
    count(verdict);
    if (judge_verdict) count(`judge_${judge_verdict}`);
    if (accepted) result.accepted!++;
  }
  return result;
}
