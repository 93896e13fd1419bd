/** @file Stages of a run: each is done again when something that its result hangs on has changed, and only then. */

import { join } from "node:path";
import { z } from "zod";
import { DistillError, Stopped } from "../core/errors.ts";
import { contentHash } from "../core/hash.ts";
import type { RunFolder, Written } from "../store/run-folder.ts";
import { readState } from "../store/state.ts";

export type Stage = {
  name: string;
  /** The stages that it reads from. */
  after: readonly string[];
  /** Everything else that its result hangs on, as JSON. */
  inputs: () => Record<string, unknown>;
  /** Those of them without which nothing that it began can be gone on with; all of them unless given. */
  foundation?: () => Record<string, unknown>;
  /** What it writes in the run's folder. Where something of somebody else's is in its place, nothing is begun. */
  leaves: readonly string[];
  /** Do it, or go on with what was begun under the same key; what it gives is kept in the manifest. */
  run: (context: StageContext) => Promise<StageOutcome>;
};

export type StageContext = {
  /** The hash of all that the result hangs on. */
  key: string;
  /** The hash of that without which nothing that was begun can be gone on with. */
  fingerprint: string;
  /** What the stages before it gave. */
  results: Record<string, Record<string, unknown>>;
  /** Where it writes; what is written is kept in the manifest and compared before the stage counts as done. */
  folder: RunFolder;
  /** Throw where what the result hangs on is no longer what the key says: to be called once it has been read. */
  requireUnchanged: () => void;
  signal: AbortSignal;
};

/** A stopped stage is gone on with by the next run. */
export type StageOutcome = { stopped?: boolean; result: Record<string, unknown> };

export type StagePlan = { name: string; key: string; fingerprint: string; due: boolean; reason: string };

const Entry = z.object({
  key: z.string(),
  inputs: z.record(z.string(), z.unknown()),
  started_at: z.string(),
  finished_at: z.string().optional(),
  seconds: z.number().optional(),
  result: z.record(z.string(), z.unknown()).optional(),
  /** What it wrote, by name in the run's folder. */
  outputs: z.record(z.string(), z.unknown()).optional(),
  /** The hash of what each stage before it had left. */
  read: z.record(z.string(), z.string()).optional(),
});
type Entry = z.output<typeof Entry>;

const Manifest = z.object({
  name: z.string(),
  recipe: z.unknown(),
  versions: z.record(z.string(), z.string()),
  stages: z.record(z.string(), Entry),
});
export type Manifest = z.output<typeof Manifest>;

const MANIFEST = "manifest.json";

/** The manifest of a run's folder, if there is one. One that is damaged is said to be, and moved away where that can be. */
export function readManifest(folder: RunFolder): Manifest | undefined {
  const path = join(folder.path, MANIFEST);
  const read = readState(path);
  if (!read) return undefined;
  const manifest = Manifest.safeParse(read.state);
  if (manifest.success) return manifest.data;
  if (!folder.writable && folder.id === "") return undefined; // of an earlier version, which a run moves away
  const damage = `${read.damage ?? `${path} is no manifest`}; what is done is looked for without it`;
  if (folder.writable) folder.setAside(MANIFEST, damage);
  else console.error(`${damage}.`);
  return undefined;
}

/** What would be done for `targets`, and why. Stages come in an order in which each follows those that it reads from. */
export function planStages(
  stages: readonly Stage[],
  targets: readonly string[],
  manifest: Manifest | undefined,
  folder: RunFolder,
): StagePlan[] {
  const due = new Set<string>();
  return keyed(stages, targets).map((stage) => {
    const reason = reasonToRun(stage, manifest, due, folder);
    if (reason !== undefined) due.add(stage.name);
    return planOf(stage, reason);
  });
}

const planOf = ({ name, key, fingerprint }: Keyed, reason: string | undefined): StagePlan => ({
  name,
  key,
  fingerprint,
  due: reason !== undefined,
  reason: reason ?? "up to date",
});

/** A stage with what it is known by. */
type Keyed = { name: string; key: string; fingerprint: string; inputs: Record<string, unknown>; stage: Stage };

/** The stages that `targets` need, in order. */
function keyed(stages: readonly Stage[], targets: readonly string[]): Keyed[] {
  const needed = new Set<string>();
  const need = (name: string) => {
    needed.add(name);
    for (const before of stages.find((stage) => stage.name === name)?.after ?? []) need(before);
  };
  targets.forEach(need);
  const keys = new Map<string, string>();
  return stages
    .filter(({ name }) => needed.has(name))
    .map((stage) => {
      const { name, after } = stage;
      const inputs = inputsOf(stage);
      const read = after.map((before) => keys.get(before));
      const key = contentHash({ inputs, after: read });
      keys.set(name, key);
      const fingerprint = stage.foundation ? contentHash({ inputs: plain(stage.foundation()), after: read }) : key;
      return { name, key, fingerprint, inputs, stage };
    });
}

const plain = (inputs: Record<string, unknown>): Record<string, unknown> => JSON.parse(JSON.stringify(inputs));

const inputsOf = (stage: Stage): Record<string, unknown> => plain(stage.inputs());

function requireSame({ name, inputs, stage }: Keyed): void {
  const changes = differences(inputs, inputsOf(stage));
  if (changes.length > 0)
    throw new DistillError(
      `What ${name} reads was changed meanwhile: ${changes.join("; ")}. Nothing was made of both; run the same command again.`,
    );
}

/** Why a stage is to be run, if it is; `due` are those before it that are. */
function reasonToRun(
  { name, key, inputs, stage: { leaves, after } }: Keyed,
  manifest: Manifest | undefined,
  due: ReadonlySet<string>,
  folder: RunFolder,
): string | undefined {
  const entry = manifest?.stages[name];
  if (!entry) return "not run yet";
  if (entry.key !== key) {
    const changes = differences(entry.inputs, inputs);
    if (changes.length > 0) return changes.slice(0, 3).join("; ") + (changes.length > 3 ? "; …" : "");
    return `${after.filter((before) => due.has(before)).join(" and ") || "what it reads"} changed`;
  }
  if (!entry.finished_at) return "begun and not finished";
  const { outputs = {}, read = {} } = entry;
  const lost = leaves.find((name) => !(name in outputs));
  if (lost) return `${join(folder.path, lost)} is not known to be whole`;
  for (const [name, written] of Object.entries(outputs)) {
    const damage = folder.damage(name, written as Written);
    if (damage) return damage;
  }
  // what was made again from the same settings may have come out otherwise
  const changed = after.find((before) => !due.has(before) && contentOf(manifest, before) !== read[before]);
  return changed && `${changed} came out otherwise when it was run again`;
}

/** What a stage left. */
const contentOf = (manifest: Manifest | undefined, name: string): string =>
  contentHash(manifest?.stages[name]?.outputs ?? {});

/** The paths at which two JSON values differ, with both sides where they are short. */
export function differences(before: unknown, after: unknown, path = ""): string[] {
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
  folder: RunFolder;
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
  const { name, recipe, versions, folder, signal, onStage } = options;
  const earlier = readManifest(folder);
  const manifest: Manifest = { name, recipe, versions, stages: { ...earlier?.stages } };
  const save = () => folder.writeState(MANIFEST, { ...manifest, claim: folder.claim });
  const ran: string[] = [];
  for (const keyedStage of keyed(stages, targets)) {
    const { stage, inputs, key, fingerprint } = keyedStage;
    const plan = planOf(keyedStage, reasonToRun(keyedStage, manifest, new Set(), folder));
    onStage(plan);
    if (!plan.due) continue;
    for (const leaves of stage.leaves) folder.reserve(leaves);
    const read = Object.fromEntries(stage.after.map((before) => [before, contentOf(manifest, before)]));
    const entry: Entry = { key, inputs, started_at: new Date().toISOString(), read };
    manifest.stages[stage.name] = entry;
    save();
    const results = Object.fromEntries(
      Object.entries(manifest.stages).map(([before, { result = {} }]) => [before, result]),
    );
    const start = performance.now();
    const outputs: Record<string, Written> = {};
    const { stopped, result } = await stage
      .run({
        key,
        fingerprint,
        results,
        signal,
        folder: noting(folder, outputs),
        requireUnchanged: () => requireSame(keyedStage),
      })
      .catch((error: unknown) => {
        if (error instanceof Stopped) return { stopped: true, result: {} };
        throw error;
      });
    // a stage that was killed on the way counts what it took this time
    entry.seconds = Math.round((performance.now() - start) / 100) / 10;
    entry.result = result;
    entry.outputs = outputs;
    if (!stopped) entry.finished_at = new Date().toISOString();
    save();
    ran.push(stage.name);
    if (stopped || signal.aborted) return { manifest, finished: false, ran };
  }
  return { manifest, finished: true, ran };
}

/** The folder, with everything that is written there noted. */
const noting = (folder: RunFolder, outputs: Record<string, Written>): RunFolder => ({
  ...folder,
  async writeFolder(name, key, fill) {
    const written = await folder.writeFolder(name, key, fill);
    outputs[name] = written;
    return written;
  },
  writeFile(name, content, isOwn) {
    const written = folder.writeFile(name, content, isOwn);
    outputs[name] = written;
    return written;
  },
  keep(name, written) {
    outputs[name] = written;
  },
});
