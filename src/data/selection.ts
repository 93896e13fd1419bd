/** @file From traces to what is trained on: a view of the accepted ones. */

import { z } from "zod";
import { deriveSeed } from "../core/random.ts";
import { continuation, prefilledThink } from "./think.ts";
import type { Accepted, Trace } from "./traces.ts";

export const SelectionOptions = z.object({
  max_per_prompt: z.int().positive().optional().describe("The most traces of one prompt; all of them unless given."),
  prefer: z
    .enum(["first", "shortest", "highest_reward", "random"])
    .default("first")
    .describe(
      "Which come first: as they were drawn, those with the fewest tokens, with the highest reward, or by chance.",
    ),
  max_rows: z.int().positive().optional().describe("No more rows than this in all."),
  seed: z.int().nonnegative().default(0).describe("Of prefer: random."),
});
export type SelectionOptions = z.output<typeof SelectionOptions>;

const ORDER = new Intl.Collator("en", { numeric: true });

/** What was likely in the place of each token, where it was stored. */
const storedIn = ({ token_ids, top_token_ids, top_logprobs, tail_probability }: Trace) =>
  top_token_ids ? { token_ids, top_token_ids, top_logprobs: top_logprobs!, tail_probability: tail_probability! } : {};

/** The accepted traces, at most so many of a prompt, each completion of a prompt once. */
export function select(
  traces: Iterable<Trace>,
  { max_per_prompt = Number.POSITIVE_INFINITY, prefer, max_rows = Number.POSITIVE_INFINITY, seed }: SelectionOptions,
): Accepted[] {
  const byPrompt = new Map<string, Map<string, Trace>>();
  for (const trace of traces) {
    // what was cut at a limit would teach to stop in the middle, whatever rules say of it
    if (!trace.accepted || trace.finish_reason === "length") continue;
    const same = byPrompt.get(trace.prompt_id) ?? new Map<string, Trace>();
    // of equal ones the first sample, whichever was finished first
    const known = same.get(trace.completion);
    if (!known || trace.sample < known.sample) same.set(trace.completion, trace);
    byPrompt.set(trace.prompt_id, same);
  }
  const rank: Record<SelectionOptions["prefer"], (trace: Trace) => number> = {
    first: ({ sample }) => sample,
    shortest: ({ token_ids }) => token_ids.length,
    highest_reward: ({ reward }) => -(reward ?? Number.NEGATIVE_INFINITY),
    random: ({ prompt_id, sample }) => deriveSeed(seed, prompt_id, sample),
  };
  // in the order of prompts, not in that in which they were finished, so that the same traces make the same dataset
  const prompts = [...byPrompt].sort(([a], [b]) => ORDER.compare(a, b) || (a < b ? -1 : 1)).map(([, same]) => same);
  const chosen = prompts.flatMap((same) =>
    [...same.values()]
      .sort((a, b) => rank[prefer](a) - rank[prefer](b) || a.sample - b.sample)
      .slice(0, max_per_prompt),
  );
  return chosen.slice(0, max_rows).map((trace) => ({
    prompt: trace.prompt_text,
    completion: trace.completion,
    // what the teacher's template began of the answer is the answer's beginning for every other template
    messages: [
      ...trace.messages,
      {
        role: "assistant",
        content: prefilledThink(trace.prompt_text) + continuation(trace.prompt_text, trace.completion),
      },
    ],
    prompt_id: trace.prompt_id,
    sample: trace.sample,
    ...storedIn(trace),
  }));
}
