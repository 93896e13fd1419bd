/** @file The most likely continuations of a few prompts. */

import type { Model } from "../models/model.ts";
import type { Device } from "../runtime/device.ts";
import { type CompletionOptions, openSampler } from "./sampler.ts";

type Watching = Pick<CompletionOptions, "onTokens" | "onDistribution" | "signal">;

/** Each prompt's most likely continuation, in token ids, by weights that are states of the device. */
export async function greedyCompletions(
  device: Device,
  model: Model,
  prompts: readonly (readonly number[])[],
  {
    stops,
    max_completion_length,
    source,
    ...watching
  }: { stops: readonly number[]; max_completion_length: number; source?: string } & Watching,
): Promise<number[][]> {
  const sampler = openSampler(device, model, { stops, ...(source ? { source } : {}) });
  const requests = prompts.map((tokens) => ({ tokens, seed: 0 }));
  const completions: number[][] = [];
  for await (const { index, tokens } of sampler.generate(requests, {
    temperature: 0,
    max_completion_length,
    ...watching,
  }))
    completions[index] = tokens;
  await sampler.close();
  return completions;
}
