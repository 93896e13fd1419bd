/** @file distill push: a run's student, its exports and its card as a model's repository on the hub. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { startProgress } from "../core/progress.ts";
import { readFile } from "../core/streams.ts";
import { alignedTable } from "../core/table.ts";
import { formatBytes } from "../evaluation/report.ts";
import type { ExporterComponent } from "../exporters/exporter.ts";
import * as exporters from "../exporters/index.ts";
import type { Upload } from "../hub/upload.ts";
import { readClaim } from "../store/claim.ts";
import { requireWhole, SEAL } from "../store/seal.ts";
import { REPOSITORY } from "./card.ts";
import { NAMES } from "./stages/context.ts";

export type PushArguments = {
  branch?: string;
  private?: boolean;
  dryRun?: boolean;
  without?: string[];
  message?: string;
};

/** What is pushed, each by the name that --without has for it. */
const EXPORTS = Object.entries<ExporterComponent>(exporters);
const PARTS = ["student", "adapter", ...EXPORTS.map(([type]) => type)];

export async function push(run: string, name: string, given: PushArguments, signal: AbortSignal): Promise<void> {
  if (!/^[\w.-]+\/[\w.-]+$/.test(name) || name.includes(".."))
    throw new DistillError(`"${name}" is no name of a repository. Expected owner/name.`);
  const unknown = given.without?.find((part) => !PARTS.includes(part));
  if (unknown)
    throw new DistillError(`--without: there is no part "${unknown}". Expected some of: ${PARTS.join(", ")}.`);
  const files = uploadsOf(run, name, given.without ?? []);
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const { branch = "main" } = given;
  console.log(
    alignedTable(
      ["file", "size"],
      files.map(({ path, bytes }) => [path, formatBytes(bytes)]),
    ).join("\n"),
  );
  const what = `${files.length} files of ${formatBytes(total)}`;
  if (given.dryRun) return console.log(`\n${what} would go to ${name}, branch ${branch}. Nothing was sent.`);
  const { hubSettings } = await import("../hub/settings.ts"); // slow to load
  const { uploadModel } = await import("../hub/upload.ts");
  const progress = startProgress("push", files.length, "file");
  const done = new Set<string>();
  try {
    const url = await uploadModel(hubSettings(), files, {
      name,
      branch,
      private: given.private ?? false,
      title: given.message ?? `The run ${basename(run)}`,
      signal,
      onProgress(path, share) {
        if (share === 1) done.add(path);
        progress.update(done.size, path);
      },
    });
    progress.update(files.length);
    console.log(`\n${what} are at ${url}.`);
  } finally {
    progress.end();
  }
}

/** The files of a run as the hub's programs look for them: the student and the files of one file each at the top. */
function uploadsOf(run: string, name: string, without: readonly string[]): Upload[] {
  const student = join(run, NAMES.student);
  if (!existsSync(run) || !readClaim(run))
    throw new DistillError(`${run} is no run. Expected the folder of one, such as runs/mine.`);
  if (!existsSync(join(student, "config.json")))
    throw new DistillError(`${run} has no student yet. Run distill train first.`);
  const uploads = new Map<string, Upload>();
  const put = (path: string, file: string) => uploads.set(path, { path, file, bytes: statSync(file).size });
  const putAll = (folder: string, place = "", skip = (_: string) => false) => {
    if (!existsSync(folder)) return;
    requireWhole(folder);
    for (const path of (readdirSync(folder, { recursive: true }) as string[]).sort())
      if (
        statSync(join(folder, path), { throwIfNoEntry: false })?.isFile() &&
        !skip(path) &&
        !basename(path).startsWith(".") &&
        basename(path) !== SEAL
      )
        put(place + path, join(folder, path));
  };
  const wants = (part: string) => !without.includes(part);
  if (wants("student")) putAll(student);
  if (wants("adapter")) putAll(join(run, NAMES.adapter), "adapter/");
  // in place of the student's: the config.json of ONNX files says which are split, their tokenizer_config.json holds the template
  const kept = (path: string) => path === "generation_config.json" && uploads.has(path);
  for (const [type, { place }] of EXPORTS) if (wants(type)) putAll(join(run, NAMES.export, type), place, kept);
  const card = join(run, "README.md");
  if (!existsSync(card))
    throw new DistillError(
      `${card} is not there. Run distill run or distill eval again, which write the model's card.`,
    );
  const text = readFile(card).toString("utf8").replaceAll(REPOSITORY, name);
  uploads.set("README.md", { path: "README.md", text, bytes: Buffer.byteLength(text) });
  return [...uploads.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}
