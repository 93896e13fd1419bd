/** @file The stages of a run with times and keys, and where every file comes from. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { escaped } from "../../core/html.ts";
import { formatDuration } from "../../core/progress.ts";
import { formatBytes } from "../../evaluation/report.ts";
import type { Written } from "../../store/run-folder.ts";
import { readSeal } from "../../store/seal.ts";
import type { Run } from "./found.ts";
import { table } from "./models.ts";

/** Each stage as a bar of its time. */
export function pipeline({ manifest: { stages } }: Run): string {
  const longest = Math.max(...Object.values(stages).map(({ seconds = 0 }) => seconds), 0.1);
  const rows = Object.entries(stages).map(([name, { key, seconds, started_at, finished_at, read = {} }]) => [
    escaped(name),
    escaped(Object.keys(read).join(", ")),
    `<code>${escaped(key)}</code>`,
    escaped(started_at.slice(0, 19).replace("T", " ")),
    finished_at ? formatDuration(seconds ?? 0) : seconds === undefined ? "under way" : "stopped",
    `<span class="bar" style="width:${((100 * (seconds ?? 0)) / longest).toFixed(1)}%"></span>`,
  ]);
  return table(["stage", "after", "key", "began, UTC", "took", ""], rows, 2);
}

/** Every file with its checksum, the stage that wrote it, and what that stage's result hangs on. */
export function lineage({ path, manifest: { stages, versions } }: Run): string {
  const rows = Object.entries(stages).flatMap(([stage, { outputs = {}, read = {} }]) =>
    Object.entries(outputs).flatMap(([name, written]) =>
      filesOf(path, name, written as Written).map(({ file, bytes, hash }) => [
        escaped(file),
        bytes === undefined ? "" : formatBytes(bytes),
        hash === undefined ? "" : `<code title="${escaped(hash)}">${escaped(hash.slice(0, 12))}</code>`,
        escaped(stage),
        escaped(Object.keys(read).join(", ")),
      ]),
    ),
  );
  const inputs = Object.entries(stages).map(
    ([stage, { inputs }]) =>
      `<details><summary>What ${escaped(stage)} hangs on</summary><pre>${escaped(JSON.stringify(inputs, null, 2))}</pre></details>`,
  );
  const made = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${table(["file", "size", "sha256", "written by", "from"], rows)}
<p class="dim">${escaped(made.join(" · "))}</p>
${inputs.join("\n")}`;
}

/** The files of what a stage wrote: those that a seal names, or itself. */
function filesOf(path: string, name: string, written: Written): { file: string; bytes?: number; hash?: string }[] {
  if ("bytes" in written) return [{ file: name, bytes: written.bytes, hash: written.sha256 }];
  if ("rows" in written) return [{ file: `${name}/ (${written.rows.toLocaleString("en-US")} rows)` }];
  const read = existsSync(join(path, name)) ? readSeal(join(path, name)) : undefined;
  if (!read || read.damage !== undefined) return [{ file: `${name}/ (not whole)` }];
  return Object.entries(read.seal.files).map(([file, { bytes, sha256 }]) => ({
    ...{ file: `${name}/${file}`, bytes },
    hash: sha256,
  }));
}
