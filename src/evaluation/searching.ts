/** @file Searches of one model on the problems that it is measured on, each kept once it is done. */

import { join } from "node:path";
import { create } from "../core/component.ts";
import { startProgress } from "../core/progress.ts";
import type { Prompt } from "../core/trace.ts";
import { judge, type WeightedReward } from "../rewards/judge.ts";
import { conversationOf } from "../sampling/draw.ts";
import type { SamplerOptions } from "../sampling/options.ts";
import * as methods from "../search/index.ts";
import type { Line, SearchRun } from "../search/search.ts";
import type { RunFolder } from "../store/run-folder.ts";
import { readState } from "../store/state.ts";
import type { Teacher } from "../teachers/teacher.ts";

export type ModelSearch = {
  name: string;
  open: () => Promise<{ teacher: Teacher }>;
  prompts: readonly Prompt[];
  /** The rule of correctness. */
  rewards: readonly WeightedReward[];
  options: SamplerOptions;
  search: readonly { type: string }[];
  folder: RunFolder;
  /** Where what was found is kept, by name in that folder. */
  state: string;
  /** The hash of all that it hangs on. */
  key: string;
  signal: AbortSignal;
};

type State = { key: string; found: Line[][] };

/** The lines of all searches. Nothing where it was stopped; the next run goes on with the search that it was at. */
export async function searchModel(run: ModelSearch): Promise<Line[] | undefined> {
  const { name, prompts, rewards, options, search, folder, state: place, key, signal } = run;
  const known = readState(join(folder.path, place))?.state as State | undefined;
  const state: State = known?.key === key ? known : { key, found: [] };
  if (state.found.length < search.length) {
    const { teacher } = await run.open();
    const progress = startProgress(`search ${name}`, search.length, "search", state.found.length);
    try {
      const searching: SearchRun = {
        teacher,
        problems: prompts.map((prompt) => ({ ...prompt, rendered: teacher.render(conversationOf(prompt, options)) })),
        options,
        judge: ({ prompt, answer }, { completion, finish_reason, tokens }) =>
          judge(rewards, {
            ...{ prompt, completion, finish_reason, num_tokens: tokens },
            ...(answer === undefined ? {} : { answer }),
          }),
        same: rewards[0]?.same,
        onProgress: (words) => progress.update(state.found.length, words),
        signal,
      };
      for (const spec of search.slice(state.found.length)) {
        const lines = await create(methods, spec, "search")(searching);
        if (!lines || signal.aborted) return undefined;
        state.found.push(lines);
        folder.writeState(place, state);
      }
    } finally {
      progress.end();
      await teacher.close();
    }
  }
  return state.found.flat();
}
