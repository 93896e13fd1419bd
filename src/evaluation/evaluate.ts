/** @file Sampling a model on test problems, and measuring it. */

import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readJson, writeWhole } from "../core/files.ts";
import type { Prompt } from "../core/trace.ts";
import { readTraces } from "../data/traces.ts";
import type { WeightedReward } from "../rewards/judge.ts";
import { type SamplerOptions, sample } from "../sampling/sample.ts";
import type { Teacher } from "../teachers/teacher.ts";
import { type Gain, gainOver, type Metrics, measure } from "./metrics.ts";

export type ModelReport = { name: string } & Metrics & {
    /** Generated tokens a second while this model was sampled. */
    tokens_per_s: number;
    /** Of the model's file or files. */
    bytes: number;
    /** Against the model before training, where that was measured too. */
    gain?: Gain;
  };

export type EvaluationRun = {
  name: string;
  /** Opened only where there is something to sample. */
  open: () => Promise<{ teacher: Teacher; bytes: number }>;
  prompts: readonly Prompt[];
  rewards: readonly WeightedReward[];
  options: SamplerOptions;
  /** The folder for this model's traces. */
  folder: string;
  /** The hash of model, prompts and options: what was measured under it is not measured again. */
  key: string;
  signal: AbortSignal;
};

type Progress = { key: string; tokens: number; seconds: number; report?: ModelReport };

/** Measure a model. Nothing where it was stopped; the next run goes on from there. */
export async function evaluateModel(run: EvaluationRun): Promise<ModelReport | undefined> {
  const { name, prompts, rewards, options, folder, key, signal } = run;
  const statePath = join(folder, "..", `${name}.json`);
  let state = existsSync(statePath) ? (readJson(statePath, "The evaluation's state") as Progress) : undefined;
  if (state?.key === key && state.report) return state.report;
  if (state?.key !== key) {
    rmSync(folder, { recursive: true, force: true });
    state = { key, tokens: 0, seconds: 0 };
  }
  writeWhole(statePath, JSON.stringify(state));
  const before = [...readTraces(folder)].reduce((sum, { token_ids }) => sum + token_ids.length, 0);
  const { teacher, bytes } = await run.open();
  try {
    const start = performance.now();
    const { tokens, stopped } = await sample({
      teacher,
      prompts,
      rewards,
      options,
      folder,
      signal,
      words: { title: `eval ${name}`, accepted: "right" },
    });
    state.seconds += (performance.now() - start) / 1000;
    state.tokens += tokens - before;
    if (stopped) {
      writeWhole(statePath, JSON.stringify(state));
      return undefined;
    }
  } finally {
    await teacher.close();
  }
  const tokens_per_s = state.tokens / state.seconds;
  state.report = { name, ...measure([...readTraces(folder)]), tokens_per_s, bytes };
  writeWhole(statePath, JSON.stringify(state));
  return state.report;
}

/** Each model's gain over the one named `base`, from the traces in `folderOf(name)`. */
export function withGains(models: readonly ModelReport[], base: string, folderOf: (name: string) => string) {
  if (!models.some(({ name }) => name === base)) return models;
  const before = [...readTraces(folderOf(base))];
  return models.map((model) =>
    model.name === base ? model : { ...model, gain: gainOver(base, before, [...readTraces(folderOf(model.name))]) },
  );
}
