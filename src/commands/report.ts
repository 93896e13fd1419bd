/** @file distill report: one page about one run or several. */

import { join } from "node:path";
import { writeWhole } from "../core/files.ts";
import type { RunFolder } from "../store/run-folder.ts";
import { runsIn } from "./report/found.ts";
import { reportPage } from "./report/page.ts";

/** Where a run keeps its own. */
export const REPORT = "report.html";

export function report(paths: readonly string[], { html }: { html?: string }): void {
  const runs = paths.flatMap(runsIn);
  const path = html ?? (paths.length === 1 ? join(paths[0]!, REPORT) : REPORT);
  writeWhole(path, reportPage(runs));
  console.log(`${path} shows ${runs.map(({ name }) => name).join(", ")}.`);
}

/** The page of a run in its own folder. */
export function writeReport(folder: RunFolder): void {
  folder.writeFile(REPORT, reportPage(runsIn(folder.path)));
}
