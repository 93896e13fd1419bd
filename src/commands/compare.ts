/** @file distill compare: what changed in the recipes of runs, beside what changed in their results. */

import { basename, join, resolve } from "node:path";
import { DistillError } from "../core/errors.ts";
import { alignedTable } from "../core/table.ts";
import { readTraces } from "../data/traces.ts";
import { type Comparison, compareTraces } from "../evaluation/comparing.ts";
import type { ModelReport } from "../evaluation/evaluate.ts";
import { gainText, type Measurement, percent } from "../evaluation/report.ts";
import { differences, type Manifest, readManifest } from "../recipe/stages.ts";
import { readRunFolder } from "../store/run-folder.ts";
import { readState } from "../store/state.ts";

export type CompareArguments = { model?: string; json?: boolean };

type Run = { name: string; path: string; manifest: Manifest; measured: Map<string, Measurement> };
/** A model of a run, in one of its measurements. */
type Entry = { run: Run; report: ModelReport; traces: string };

/** Print it; each run is compared with the first. */
export function compare(paths: readonly string[], { model, json }: CompareArguments): void {
  if (paths.length < 2) throw new DistillError("One run is nothing to compare. Name two or more.");
  const runs = namedApart(paths.map(readRun));
  const [first, ...others] = runs as [Run, ...Run[]];
  const changes = Object.fromEntries(others.map((run) => [run.name, changesIn(first.manifest, run.manifest)]));
  const names = [...first.measured.keys()].filter((name) => others.some(({ measured }) => measured.has(name)));
  if (names.length === 0)
    throw new DistillError(
      `No measurement of ${first.path} (${[...first.measured.keys()].map(called).join(", ")}) is in another of these runs. Expected runs that were measured on the same problems.`,
    );
  const measurements = names.map((name) => ({ name, ...compared(runs, name, model) }));
  if (json) {
    console.log(JSON.stringify({ runs: runs.map(({ path }) => path), changes, measurements }, null, 2));
    return;
  }
  const said = [
    ...others.flatMap((run) => [
      `Recipe of ${run.name}, beside ${first.name}:`,
      ...(changes[run.name]!.length > 0 ? changes[run.name]!.map((line) => `  ${line}`) : ["  nothing changed"]),
      "",
    ]),
    ...measurements.flatMap(({ name, rows, pairs }) => [
      called(name),
      ...alignedTable(["run", "model", "pass@1", "95 % interval", "cons@k", "tokens", "paired with the first"], rows),
      "",
      ...pairs.flatMap(describe),
    ]),
  ];
  console.log(said.join("\n").trimEnd());
}

const called = (name: string) => (name === "" ? "evaluation" : name);

function readRun(path: string): Run {
  const place = resolve(path);
  const { name } = (readState(join(place, "manifest.json"))?.state ?? {}) as { name?: string };
  const manifest = name === undefined ? undefined : readManifest(readRunFolder(place, name));
  if (!manifest)
    throw new DistillError(`${path} is no folder of a run: it has no manifest.json. Expected such as runs/NAME.`);
  const measured = new Map(
    Object.entries(manifest.stages).flatMap(([stage, { result, finished_at }]) => {
      const name = /^evaluate(?:\.(.+))?$/.exec(stage);
      const { models } = (result ?? {}) as Partial<Measurement>;
      return name && finished_at && models ? [[name[1] ?? "", { models }] as const] : [];
    }),
  );
  if (measured.size === 0)
    throw new DistillError(`${path} has no finished measurement. Run distill eval with its recipe first.`);
  return { name: basename(place), path: place, manifest, measured };
}

/** Runs by the end of their path that tells them apart. */
function namedApart(runs: readonly Run[]): Run[] {
  const twice = new Set(runs.map(({ name }) => name)).size < runs.length;
  return twice ? runs.map((run) => ({ ...run, name: run.path })) : [...runs];
}

/** What a run does otherwise; where it lies and what it is called is no difference. */
function changesIn(before: Manifest, after: Manifest): string[] {
  const told = ({ recipe, versions }: Manifest) => {
    const { output: _, name: __, ...keys } = recipe as Record<string, unknown>;
    return { ...keys, versions };
  };
  return differences(told(before), told(after));
}

function compared(runs: readonly Run[], name: string, wanted: string | undefined) {
  const entries = runs.flatMap((run): Entry[] =>
    (run.measured.get(name)?.models ?? []).map((report) => ({
      run,
      report,
      traces: join(run.path, "evaluation", name, "traces", report.name),
    })),
  );
  const models = [...new Set(entries.map(({ report }) => report.name))];
  if (wanted !== undefined && !models.includes(wanted))
    throw new DistillError(`No run has measured a model "${wanted}". Expected one of: ${models.join(", ")}.`);
  const kept = wanted === undefined ? entries : entries.filter(({ report }) => report.name === wanted);
  const pairs = kept.flatMap((entry) => {
    const other = partnerOf(entry, kept, runs[0]!);
    if (!other) return [];
    const [over, before] = [titleOf(other), [...readTraces(other.traces)]];
    const comparison = compareTraces(over, before, [...readTraces(entry.traces)]);
    if (comparison.problems === 0)
      throw new DistillError(
        `${titleOf(entry)} and ${over} were measured on other problems: no question is in both. Compare runs with the same evaluation.prompts.`,
      );
    return [{ model: titleOf(entry), ...comparison, graders: gradersOf(entry, other) }];
  });
  const rows = kept.map((entry) => {
    const { run, report } = entry;
    const pair = pairs.find(({ model }) => model === titleOf(entry));
    return [
      ...[run.name, report.name, percent(report.pass_at_1), report.pass_at_1_ci95.map(percent).join(" – ")],
      ...[percent(report.cons_at_k), report.mean_tokens.toFixed(0), pair ? gainText(pair) : ""],
    ];
  });
  return { rows, pairs };
}

const titleOf = ({ run, report }: Entry) => `${run.name}/${report.name}`;

/** The model of the same name in the first run; where runs have a model each, that. */
function partnerOf({ run, report }: Entry, entries: readonly Entry[], first: Run): Entry | undefined {
  if (run === first) return undefined;
  const own = entries.filter((entry) => entry.run === first);
  const alone = own.length === 1 && entries.filter((entry) => entry.run === run).length === 1;
  return own.find((entry) => entry.report.name === report.name) ?? (alone ? own[0] : undefined);
}

/** Why two numbers may not be of the same kind. */
function gradersOf(one: Entry, other: Entry): string[] {
  const [after, before] = [one.report.versions, other.report.versions];
  if (!after || !before) return ["a report of an earlier version does not say what it was graded by"];
  return [
    ...(after.rules === before.rules && after.grader === before.grader
      ? []
      : [`graded by ${before.grader} and ${after.grader}, with other rules`]),
    ...(after.data === before.data ? [] : ["other problems or references"]),
    ...(after.rendered === before.rendered ? [] : ["asked in other words, or through other templates"]),
  ];
}

/** Ids that are shown. */
const SHOWN = 8;

function describe({
  model,
  over,
  better,
  worse,
  unpaired,
  graders,
  problems,
}: Comparison & { model: string; graders: string[] }): string[] {
  const list = (what: string, ids: readonly string[]) =>
    ids.length === 0
      ? []
      : [`  ${what} ${ids.length}: ${ids.slice(0, SHOWN).join(", ")}${ids.length > SHOWN ? ", …" : ""}`];
  return [
    `${model} over ${over}, ${problems} problems`,
    ...list("better", better),
    ...list("worse", worse),
    ...(unpaired > 0 ? [`  ${unpaired} problems are not in both`] : []),
    ...graders.map((line) => `  not alike: ${line}`),
    "",
  ];
}
