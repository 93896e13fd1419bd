/** @file What rules say of the traces: anew where the rules have changed, and of whole groups where they compare them. */

import { contentHash } from "../../core/hash.ts";
import { startProgress } from "../../core/progress.ts";
import { writeDataset } from "../../data/dataset-folder.ts";
import { inTables, readTraces, type Trace, tracesTable } from "../../data/traces.ts";
import type { Stage } from "../../recipe/stages.ts";
import { createRewards, rewardsInput } from "../../rewards/create.ts";
import { judgeGroup } from "../../rewards/judge.ts";
import { type Context, tracesFolder } from "./context.ts";

export function judgeStage(context: Context): Stage {
  const rules = context.recipe.rewards!;
  const folder = tracesFolder(context);
  return {
    name: "judge",
    after: ["sample"],
    inputs: () => ({ rewards: rewardsInput(rules) }),
    outputs: [folder],
    async run({ results, signal }) {
      const traces = [...readTraces(folder)];
      const rewards = await createRewards(rules);
      const judged = results.sample!.judged_by === contentHash(rewardsInput(rules));
      if (!judged || rewards.some(({ ofGroup }) => ofGroup)) {
        const progress = startProgress("judge", traces.length, "trace");
        let done = 0;
        for (const group of groupsOf(traces)) {
          const judgements = await judgeGroup(
            rewards,
            group.map((i) => sampleOf(traces[i]!)),
          );
          for (const [at, i] of group.entries()) traces[i] = { ...traces[i]!, ...judgements[at]! };
          done += group.length;
          progress.update(done);
          if (signal.aborted) return { stopped: true, result: {} };
        }
        progress.end();
        await writeDataset(folder, inTables(traces, tracesTable));
      }
      return { result: counts(traces) };
    },
  };
}

/** Where the traces of each prompt stand. */
function groupsOf(traces: readonly Trace[]): number[][] {
  const groups = new Map<string, number[]>();
  for (const [i, { prompt_id }] of traces.entries()) {
    const group = groups.get(prompt_id);
    if (group) group.push(i);
    else groups.set(prompt_id, [i]);
  }
  return [...groups.values()];
}

const sampleOf = ({ prompt, completion, answer, finish_reason, token_ids }: Trace) => ({
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
