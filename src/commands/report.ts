/** @file distill report: one page about one run or several. */

import { join } from "node:path";
import { requireOwn, writeOver } from "../core/files.ts";
import { isPage } from "../core/html.ts";
import type { RunFolder } from "../store/run-folder.ts";
import { runsIn } from "./report/found.ts";
import { reportPage } from "./report/page.ts";

/** Where a run keeps its own. */
export const REPORT = "report.html";

export function report(paths: readonly string[], { html }: { html?: string }): void {
  const runs = paths.flatMap(runsIn);
  const path = html ?? (paths.length === 1 ? join(paths[0]!, REPORT) : REPORT);
  writePage(path, reportPage(runs));
  console.log(`${path} shows ${runs.map(({ name }) => name).join(", ")}.`);
}

/** The page of a run in its own folder, where distill report may have written it before. */
export function writeReport(folder: RunFolder): void {
  folder.writeFile(REPORT, reportPage(runsIn(folder.path)), isPage);
}

/** Write a page where nothing is, or an earlier one. */
export const writePage = (path: string, page: string): void => writeOver(path, page, PAGE, isPage);

/** Throws where something else is. */
export const requirePage = (path: string): void => requireOwn(path, PAGE, isPage);

const PAGE = "a page";
