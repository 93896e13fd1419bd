/** @file Sampling a model on test problems, and measuring it. */

import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { contentHash } from "../core/hash.ts";
import type { Prompt } from "../core/trace.ts";
import { fillDataset } from "../data/dataset-folder.ts";
import { readTraces, type Trace } from "../data/traces.ts";
import { judge, type WeightedReward } from "../rewards/judge.ts";
import { drawnIn, tracesIn } from "../sampling/drawn.ts";
import { type LedgerPlace, openTraceLedger } from "../sampling/ledger.ts";
import { answersOf, type SamplerOptions, wantedOf } from "../sampling/options.ts";
import { sample } from "../sampling/sample.ts";
import type { RunFolder } from "../store/run-folder.ts";
import { readState } from "../store/state.ts";
import type { Teacher } from "../teachers/teacher.ts";
import { type Metrics, measure, requireWholePrompts } from "./metrics.ts";
import { type Gain, gainOver } from "./paired.ts";

export type ModelReport = { name: string } & Metrics & {
    /** Generated tokens a second while this model was sampled. */
    tokens_per_s: number;
    /** Seconds that the samples of a problem took, of all that were drawn side by side. Not in earlier reports. */
    seconds_per_problem?: number;
    /** Of the model's file or files. */
    bytes: number;
    /** Against the model before training, where that was measured too. */
    gain?: Gain;
    versions?: Versions;
  };

/** What a number hangs on beside the model and the settings. Not in earlier reports. */
export type Versions = {
  /** The rule that says what is right, with its version where it has one. */
  grader: string;
  /** The hash of that and of all other rules, with their options and modules. */
  rules: string;
  /** The hash of questions and references. */
  data: string;
  /** The hash of the texts that the model was given: questions through its chat template. */
  rendered: string;
};

export type EvaluationRun = {
  name: string;
  /** Opened only where there is something to sample. */
  open: () => Promise<{ teacher: Teacher; bytes: number }>;
  prompts: readonly Prompt[];
  rewards: readonly WeightedReward[];
  /** The hash of what makes these rules. */
  rules: string;
  options: SamplerOptions;
  folder: RunFolder;
  /** What is kept of this model, by name in that folder. */
  names: { state: string; traces: string };
  ledger: LedgerPlace;
  /** The hash of model, prompts and options: what was measured under it is not measured again. */
  key: string;
  pass_at?: readonly number[] | undefined;
  signal: AbortSignal;
};

type Progress = { key: string; tokens: number; seconds: number; report?: ModelReport };

/** Measure a model. Nothing where it was stopped; the next run goes on from there. */
export async function evaluateModel(run: EvaluationRun): Promise<ModelReport | undefined> {
  const { name, prompts, rewards, options, folder, names, ledger: place, key, signal } = run;
  const known = readState(join(folder.path, names.state))?.state as Progress | undefined;
  const state: Progress = known?.key === key ? known : { key, tokens: 0, seconds: 0 };
  if (state.report && !folder.damage(names.traces, { key })) {
    folder.keep(names.traces, { key });
    return state.report;
  }
  await requireReferences(rewards[0]!, prompts, name);
  const wanted = wantedOf(prompts, options);
  const open = async () => openTraceLedger(place, rewards, answersOf(wanted), { signal });
  const earlier = await open();
  if (!earlier) return undefined;
  const { tokens: before } = drawnIn(earlier, wanted);
  earlier.close();
  const { teacher, bytes } = await run.open();
  try {
    const start = performance.now();
    const { tokens, stopped, failed } = await sample({
      teacher,
      prompts,
      rewards,
      options,
      ledger: place,
      signal,
      words: { title: `eval ${name}`, accepted: "right" },
    });
    if (failed.length > 0)
      throw new DistillError(
        `${name} cannot be measured: ${failed.length} of ${prompts.length} problems could not be asked, the first "${failed[0]!.prompt_id}": ${failed[0]!.error}`,
      );
    state.seconds += (performance.now() - start) / 1000;
    state.tokens += tokens - before;
    folder.writeState(names.state, state);
    if (stopped) return undefined;
  } finally {
    await teacher.close();
  }
  const ledger = await open();
  if (!ledger) return undefined;
  try {
    await folder.writeFolder(names.traces, key, (into) => fillDataset(into, tracesIn(ledger, wanted)));
  } finally {
    ledger.close();
  }
  const traces = [...readTraces(join(folder.path, names.traces))];
  requireWholePrompts(traces, name);
  const [judging, ...further] = rewards as [WeightedReward, ...WeightedReward[]]; // the first judges correctness
  const metrics = measure(traces, {
    rules: further.map(({ name }) => name),
    same: judging.same,
    k: options.num_generations,
    pass_at: run.pass_at,
  });
  if (metrics.unjudged === 1)
    throw new DistillError(
      `${name} cannot be measured: the rule ${judging.name} judged none of its ${traces.length} answers (${traces[0]!.reason}). Name a rule that judges correctness, such as accuracy; the answers are kept.`,
    );
  const tokens_per_s = state.tokens / state.seconds;
  state.report = {
    name,
    ...metrics,
    tokens_per_s,
    // some may have been drawn before, by a measurement with other rules
    ...(tokens_per_s > 0 ? { seconds_per_problem: (metrics.mean_tokens * metrics.k) / tokens_per_s } : {}),
    bytes,
    versions: {
      grader: [judging.name, judging.version, ...judgesIn(traces)].filter((part) => part !== undefined).join(" "),
      rules: run.rules,
      data: contentHash(prompts),
      rendered: contentHash(traces.map(({ prompt_id, prompt_text }) => [prompt_id, prompt_text]).sort()),
    },
  };
  folder.writeState(names.state, state);
  return state.report;
}

/** The models that judged beside the rule. */
const judgesIn = (traces: readonly Trace[]): string[] =>
  [...new Set(traces.flatMap(({ judge_model }) => judge_model ?? []))].sort().map((model) => `with ${model} as judge`);

/** Throw before anything is drawn where the rule of correctness can read no reference: it says so of an empty answer. */
async function requireReferences(rule: WeightedReward, prompts: readonly Prompt[], model: string): Promise<void> {
  if (!rule.needsAnswer) return;
  const unread: { id: string; reason: string }[] = [];
  for (const { id, prompt, answer } of prompts) {
    const { verdict, reason } = await judge([{ ...rule, judge: undefined }], {
      ...{ prompt, completion: "", finish_reason: "stop" as const },
      ...(answer === undefined ? {} : { answer }),
    });
    if (verdict === "unknown") unread.push({ id, reason });
  }
  if (unread.length === 0) return;
  const { id, reason } = unread[0]!;
  const what = `${unread.length} of ${prompts.length} problems, the first "${id}" (${reason})`;
  if (unread.length === prompts.length)
    throw new DistillError(
      `${model} cannot be measured: the rule ${rule.name} cannot judge ${what}. Give references that it can read, or another rule as correctness.`,
    );
  console.error(`The rule ${rule.name} cannot judge ${what}; their answers count as wrong.`);
}

/** Each model's gain over the one named `base`, from the traces in `folderOf(name)`. */
export function withGains(models: readonly ModelReport[], base: string, folderOf: (name: string) => string) {
  if (!models.some(({ name }) => name === base)) return models;
  const before = [...readTraces(folderOf(base))];
  return models.map((model) =>
    model.name === base ? model : { ...model, gain: gainOver(base, before, [...readTraces(folderOf(model.name))]) },
  );
}
