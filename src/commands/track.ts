/** @file What trackers are told of a run, as it lies in its folder. */

import { join } from "node:path";
import { writeWhole } from "../core/files.ts";
import { contentHash } from "../core/hash.ts";
import type { ModelReport } from "../evaluation/evaluate.ts";
import type { ParityReport } from "../exporters/parity.ts";
import { planStages, readManifest, type Stage } from "../recipe/stages.ts";
import { encodeState, readState } from "../store/state.ts";
import { type Following, follow } from "../tracking/follow.ts";
import { openTrackers } from "../tracking/options.ts";
import type { Told } from "../tracking/tracker.ts";
import { CURVES, METRICS, type Metric, readMetrics } from "../trainers/curves.ts";
import { REPORT } from "./report.ts";
import type { Context } from "./stages/context.ts";
import { versions } from "./versions.ts";

/** Follow a run whose recipe names trackers, and which trains. `recipe` is what is told of it. */
export function followRun(
  { recipe: { name, tracking = [] }, folder }: Context,
  stages: readonly Stage[],
  targets: readonly string[],
  recipe: unknown,
): Following | undefined {
  if (tracking.length === 0 || !folder.writable) return undefined;
  const training = planStages(stages, targets, readManifest(folder), folder).find(({ name }) => name === "train");
  if (!training) return undefined;
  const series = contentHash([folder.id, training.fingerprint]);
  const memory = folder.cache("tracking");
  const known = join(memory, "series.json");
  const same = !training.due || readState(known)?.state?.series === series;
  writeWhole(known, encodeState({ series }));
  // what another training has logged stays there until this one begins
  const before = same ? [] : readMetrics(folder.path);
  const own = (metrics: Metric[]) =>
    before.length > 0 && metrics.length <= before.length && contentHash(metrics[0]) === contentHash(before[0])
      ? []
      : metrics;
  const params = flattened(recipe);
  const told = (): Told => ({
    name,
    path: folder.path,
    series,
    params,
    tags: Object.fromEntries(Object.entries(versions()).map(([what, version]) => [`version.${what}`, version])),
    metrics: own(readMetrics(folder.path)),
    results: resultsIn(readManifest(folder)?.stages ?? {}),
    files: [REPORT, CURVES, METRICS, "manifest.json", "evaluation/report.md"].map((file) => join(folder.path, file)),
  });
  return follow(openTrackers(tracking, { path: folder.path, env: process.env }, memory), told);
}

/** The keys of a recipe with dots between them, and their values as text. */
function flattened(value: unknown, path = ""): Record<string, string> {
  if (typeof value !== "object" || value === null)
    return value === undefined || path === "" ? {} : { [path]: String(value) };
  if (Array.isArray(value) && value.every((item) => typeof item !== "object")) return { [path]: value.join(", ") };
  return Object.assign(
    {},
    ...Object.entries(value).map(([key, inner]) => flattened(inner, path ? `${path}.${key}` : key)),
  );
}

type Stages = NonNullable<ReturnType<typeof readManifest>>["stages"];

/** What stages came to, as numbers. */
function resultsIn(stages: Stages): Record<string, number> {
  const models = (stages.evaluate?.result?.models ?? []) as ModelReport[];
  const parity = (stages.export?.result?.parity ?? []) as ParityReport[];
  const { drawn = 0, accepted = 0 } = (stages.judge?.result ?? {}) as { drawn?: number; accepted?: number };
  return Object.fromEntries([
    ...Object.entries(stages).flatMap(([name, { seconds }]) =>
      seconds === undefined ? [] : [[`seconds/${name}`, seconds]],
    ),
    ...(drawn > 0 ? [["sampling/accepted", accepted / drawn]] : []),
    ...models.flatMap(({ name, pass_at_1, cons_at_k, mean_tokens }) => [
      [`evaluation/${name}/pass_at_1`, pass_at_1],
      [`evaluation/${name}/cons_at_k`, cons_at_k],
      [`evaluation/${name}/mean_tokens`, mean_tokens],
    ]),
    ...parity.map(({ name, mean_kl }) => [`export/${name}/mean_kl`, mean_kl]),
  ]) as Record<string, number>;
}
