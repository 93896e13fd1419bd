/** @file What rules say of the traces, anew where the rules have changed. */

import { contentHash } from "../../core/hash.ts";
import { startProgress } from "../../core/progress.ts";
import { writeDataset } from "../../data/dataset-folder.ts";
import { inTables, readTraces, type Trace, tracesTable } from "../../data/traces.ts";
import type { Stage } from "../../recipe/stages.ts";
import { judge } from "../../rewards/judge.ts";
import { type Context, createRewards, tracesFolder } from "./context.ts";

export function judgeStage(context: Context): Stage {
  const rules = context.recipe.rewards!;
  const folder = tracesFolder(context);
  return {
    name: "judge",
    after: ["sample"],
    inputs: () => ({ rewards: rules }),
    outputs: [folder],
    async run({ results, signal }) {
      const traces = [...readTraces(folder)];
      if (results.sample!.judged_by !== contentHash(rules)) {
        const rewards = createRewards(rules);
        const progress = startProgress("judge", traces.length, "trace");
        for (const [i, trace] of traces.entries()) {
          traces[i] = { ...trace, ...(await judge(rewards, sampleOf(trace))) };
          progress.update(i + 1);
          if (signal.aborted) return { stopped: true, result: {} };
        }
        progress.end();
        await writeDataset(folder, inTables(traces, tracesTable));
      }
      return { result: counts(traces) };
    },
  };
}

export const sampleOf = ({ prompt, completion, answer, finish_reason, token_ids }: Trace) => ({
  prompt,
  completion,
  finish_reason,
  num_tokens: token_ids.length,
  ...(answer === null ? {} : { answer }),
});

/** How many traces there are, were accepted, and have each verdict. */
function counts(traces: readonly Trace[]): Record<string, number> {
  const result: Record<string, number> = { drawn: traces.length, accepted: 0 };
  for (const { verdict, accepted } of traces) {
    result[verdict] = (result[verdict] ?? 0) + 1;
    if (accepted) result.accepted!++;
  }
  return result;
}
