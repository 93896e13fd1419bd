/** @file Stages of a run: each is done again when something that its result hangs on has changed, and only then. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { readJson, writeWhole } from "../core/files.ts";
import { contentHash } from "../core/hash.ts";

export type Stage = {
  name: string;
  /** The stages that it reads from. */
  after: readonly string[];
  /** Everything else that its result hangs on, as JSON. */
  inputs: () => Record<string, unknown>;
  /** Files or folders that it leaves. */
  outputs: readonly string[];
  /** Do it, or go on with what was begun under the same key; what it gives is kept in the manifest. */
  run: (context: StageContext) => Promise<StageOutcome>;
};

export type StageContext = {
  /** The hash of all that the result hangs on. */
  key: string;
  /** The key under which this stage was last begun, if it was. */
  previous: string | undefined;
  /** What the stages before it gave. */
  results: Record<string, Record<string, unknown>>;
  signal: AbortSignal;
};

/** A stopped stage is gone on with by the next run. */
export type StageOutcome = { stopped?: boolean; result: Record<string, unknown> };

export type StagePlan = { name: string; key: string; due: boolean; reason: string };

type Entry = {
  key: string;
  inputs: Record<string, unknown>;
  started_at: string;
  finished_at?: string;
  seconds?: number;
  result?: Record<string, unknown>;
};

export type Manifest = {
  name: string;
  recipe: unknown;
  versions: Record<string, string>;
  stages: Record<string, Entry>;
};

const manifestPath = (output: string) => join(output, "manifest.json");

/** The manifest of a run's folder, if there is one. A folder of another recipe is refused. */
export function readManifest(output: string, name: string): Manifest | undefined {
  if (!existsSync(manifestPath(output))) return undefined;
  const manifest = readJson(manifestPath(output), "The run's manifest") as Partial<Manifest>;
  if (manifest.name !== name)
    throw new DistillError(`${output} belongs to the recipe "${manifest.name}". Give "${name}" another output.`);
  return { name, recipe: manifest.recipe, versions: manifest.versions ?? {}, stages: manifest.stages ?? {} };
}

/** What would be done for `targets`, and why. Stages come in an order in which each follows those that it reads from. */
export function planStages(
  stages: readonly Stage[],
  targets: readonly string[],
  manifest: Manifest | undefined,
): (StagePlan & { stage: Stage; inputs: Record<string, unknown> })[] {
  const needed = new Set<string>();
  const need = (name: string) => {
    needed.add(name);
    for (const before of stages.find((stage) => stage.name === name)?.after ?? []) need(before);
  };
  targets.forEach(need);
  const keys = new Map<string, string>();
  const due = new Map<string, boolean>();
  return stages
    .filter(({ name }) => needed.has(name))
    .map((stage) => {
      const { name, after } = stage;
      const inputs: Record<string, unknown> = JSON.parse(JSON.stringify(stage.inputs()));
      const key = contentHash({ inputs, after: after.map((before) => keys.get(before)) });
      const reason = reasonToRun(
        stage,
        key,
        inputs,
        manifest?.stages[name],
        after.filter((before) => due.get(before)),
      );
      keys.set(name, key);
      due.set(name, reason !== undefined);
      return { name, key, due: reason !== undefined, reason: reason ?? "up to date", stage, inputs };
    });
}

function reasonToRun(
  stage: Stage,
  key: string,
  inputs: Record<string, unknown>,
  entry: Entry | undefined,
  running: readonly string[],
): string | undefined {
  if (!entry) return "not run yet";
  if (entry.key !== key) {
    const changes = differences(entry.inputs, inputs);
    if (changes.length > 0) return changes.slice(0, 3).join("; ") + (changes.length > 3 ? "; …" : "");
    return `${running.join(" and ") || "what it reads"} changed`;
  }
  if (!entry.finished_at) return "begun and not finished";
  const missing = stage.outputs.find((path) => !existsSync(path));
  return missing ? `${missing} is missing` : undefined;
}

/** The paths at which two JSON values differ, with both sides where they are short. */
function differences(before: unknown, after: unknown, path = ""): string[] {
  if (contentHash(before) === contentHash(after)) return [];
  const records = [before, after].every((side) => typeof side === "object" && side !== null && !Array.isArray(side));
  if (!records) return [`${path} changed from ${brief(before)} to ${brief(after)}`];
  const [a, b] = [before as Record<string, unknown>, after as Record<string, unknown>];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    differences(a[key], b[key], path ? `${path}.${key}` : key),
  );
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

export type RunOptions = {
  name: string;
  /** The resolved recipe, kept in the manifest. */
  recipe: unknown;
  versions: Record<string, string>;
  output: string;
  signal: AbortSignal;
  /** Told of each stage before it is run or passed over. */
  onStage: (plan: StagePlan) => void;
};

/** Run what is due for `targets`, in order. Returns the manifest, and whether all of it is done. */
export async function runStages(
  stages: readonly Stage[],
  targets: readonly string[],
  options: RunOptions,
): Promise<{ manifest: Manifest; finished: boolean; ran: string[] }> {
  const { name, recipe, versions, output, signal, onStage } = options;
  const earlier = readManifest(output, name);
  const manifest: Manifest = { name, recipe, versions, stages: { ...earlier?.stages } };
  const save = () => writeWhole(manifestPath(output), `${JSON.stringify(manifest, null, 2)}\n`);
  const ran: string[] = [];
  for (const { stage, inputs, ...plan } of planStages(stages, targets, earlier)) {
    onStage(plan);
    if (!plan.due) continue;
    const { key } = plan;
    const previous = manifest.stages[stage.name];
    const entry: Entry = { key, inputs, started_at: new Date().toISOString() };
    manifest.stages[stage.name] = entry;
    save();
    const results = Object.fromEntries(
      Object.entries(manifest.stages).map(([before, { result = {} }]) => [before, result]),
    );
    const start = performance.now();
    const { stopped, result } = await stage.run({ key, previous: previous?.key, results, signal });
    // a stage that was killed on the way counts what it took this time
    entry.seconds = Math.round((performance.now() - start) / 100) / 10;
    entry.result = result;
    if (!stopped) entry.finished_at = new Date().toISOString();
    save();
    ran.push(stage.name);
    if (stopped || signal.aborted) return { manifest, finished: false, ran };
  }
  return { manifest, finished: true, ran };
}
