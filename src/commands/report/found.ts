/** @file What lies in the folder of a run, read while somebody may be writing there. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { DistillError } from "../../core/errors.ts";
import type { Measurement } from "../../evaluation/report.ts";
import type { ParityReport } from "../../exporters/parity.ts";
import { type Manifest, readManifest } from "../../recipe/stages.ts";
import { readClaim } from "../../store/claim.ts";
import { readRunFolder } from "../../store/run-folder.ts";
import { type Metric, readMetrics } from "../../trainers/curves.ts";
import { allMeasurements } from "../measurements.ts";

export type Run = {
  path: string;
  name: string;
  manifest: Manifest;
  metrics: readonly Metric[];
  /** What was measured on each set of problems. */
  measured: readonly Measurement[];
  exported: readonly { name: string; path: string; bytes: number }[];
  parity: readonly ParityReport[];
};

/** The runs in a folder: itself, or the steps of a pipeline below it. */
export function runsIn(given: string): Run[] {
  const path = resolve(given);
  if (!existsSync(path))
    throw new DistillError(`${given} is not there. Expected the folder of a run, such as runs/mine.`);
  if (isRun(path)) return [readRun(path)];
  const below = (statSync(path).isDirectory() ? readdirSync(path, { withFileTypes: true }) : [])
    .filter((entry) => entry.isDirectory() && isRun(join(path, entry.name)))
    .map(({ name }) => readRun(join(path, name)));
  if (below.length === 0)
    throw new DistillError(
      `${given} is no run's folder: it has no manifest.json, and none is in a folder below it. Expected one that distill run wrote, such as runs/mine.`,
    );
  return below.sort((a, b) => began(a).localeCompare(began(b)));
}

const isRun = (path: string) => existsSync(join(path, "manifest.json"));

const began = ({ manifest }: Run) =>
  Object.values(manifest.stages)
    .map(({ started_at }) => started_at)
    .sort()[0] ?? "";

function readRun(path: string): Run {
  const claim = readClaim(path);
  const manifest = claim && readManifest(readRunFolder(path, claim.name));
  if (!claim || !manifest)
    throw new DistillError(
      `${join(path, "manifest.json")} cannot be read. The recipe's own command mends it: distill run.`,
    );
  const { stages } = manifest;
  return {
    path,
    name: manifest.name ?? basename(path),
    manifest,
    metrics: readMetrics(path),
    measured: allMeasurements(stages),
    exported: (stages.export?.result?.files ?? []) as Run["exported"],
    parity: (stages.export?.result?.parity ?? []) as ParityReport[],
  };
}
