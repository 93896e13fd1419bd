/** @file The accepted traces as a dataset to train on. */

import { DistillError } from "../../core/errors.ts";
import { fillDataset } from "../../data/dataset-folder.ts";
import { type Decision, decisionsInput, decisionsPlace, readDecisions, reviewed } from "../../data/decisions.ts";
import { select } from "../../data/selection.ts";
import { acceptedTable, inTables, readTraces, type Trace } from "../../data/traces.ts";
import type { Stage } from "../../recipe/stages.ts";
import { mostFrequent } from "../../rewards/reasons.ts";
import { type Context, NAMES, placeOf } from "./context.ts";

export function selectStage(context: Context): Stage {
  const { recipe } = context;
  const decided = (): Decision[] => readDecisions(decisionsPlace(context.folder.path));
  return {
    name: "select",
    after: ["judge"],
    inputs: () => ({ selection: { ...recipe.selection, mix: undefined }, ...decisionsInput(decided()) }),
    leaves: [NAMES.dataset],
    async run({ key, folder, requireUnchanged }) {
      const traces = placeOf(context, "traces");
      const decisions = decided();
      requireUnchanged();
      const rows = select(reviewed(readTraces(traces), decisions), recipe.selection);
      const cut = rows.length === 0 ? cutButAccepted(readTraces(traces)) : 0;
      if (cut > 0)
        throw new DistillError(
          `All of the ${cut} accepted traces were cut at their limit of tokens, and would teach to stop in the middle. Raise sampling.max_completion_length.`,
        );
      if (rows.length === 0)
        throw new DistillError(
          `No trace was accepted, so there is nothing to train on. Most often because ${mostFrequent(reasonsOf(readTraces(traces)))}; ${traces} says it of each. A stronger teacher, more samples or other rewards would help.`,
        );
      await folder.writeFolder(NAMES.dataset, key, (into) => fillDataset(into, inTables(rows, acceptedTable)));
      return { result: { rows: rows.length } };
    },
  };
}

function reasonsOf(traces: Iterable<Trace>): Map<string, number> {
  const reasons = new Map<string, number>();
  for (const { reason } of traces) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  return reasons;
}

function cutButAccepted(traces: Iterable<Trace>): number {
  let cut = 0;
  for (const { accepted, finish_reason } of traces) if (accepted && finish_reason === "length") cut++;
  return cut;
}
