/** @file What a run logs, and the picture that is made of it. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Chart, chart } from "../core/chart.ts";
import { readFile } from "../core/streams.ts";
import type { RunFolder } from "../store/run-folder.ts";

/** One JSON object a line, in the run's folder. */
export const METRICS = "metrics.jsonl";

export const CURVES = "curves.svg";

/** Metrics that are drawn over each other, and what each is called. */
export type Panel = { title: string; lines: Record<string, string> };

export type Metric = Record<string, number>;

/** What a run has logged so far; the line that is being written is left out. */
export function readMetrics(folder: string): Metric[] {
  const path = join(folder, METRICS);
  if (!existsSync(path)) return [];
  return readFile(path)
    .toString("utf8")
    .split("\n")
    .flatMap((line) => {
      const metric = parsed(line);
      return metric ? [metric] : [];
    });
}

/** A line of metrics, if it is whole. */
function parsed(line: string): Metric | undefined {
  try {
    const metric: unknown = JSON.parse(line);
    return typeof metric === "object" && metric !== null ? (metric as Metric) : undefined;
  } catch {
    return undefined; // the line that was being written when the run was killed, or is now
  }
}

/** What metrics hold of the panels, over the steps; a curve has two points at least. */
export function chartsOf(metrics: readonly Metric[], panels: readonly Panel[]): Chart[] {
  const pointsOf = (name: string) =>
    metrics.flatMap((metric) => {
      const value = metric[name];
      return typeof value === "number" ? [[metric.step!, value] as const] : [];
    });
  return panels
    .map(({ title, lines }) => ({
      title,
      lines: Object.entries(lines)
        .map(([name, label]) => ({ label, points: pointsOf(name) }))
        .filter(({ points }) => points.length > 1),
    }))
    .filter(({ lines }) => lines.length > 0);
}

/** Draw what the metrics of a run's folder hold of the panels, over its steps; nothing before there are two. */
export function drawCurves(folder: RunFolder, panels: readonly Panel[]): void {
  const charts = chartsOf(readMetrics(folder.path), panels);
  if (charts.length > 0) folder.writeFile(CURVES, chart(charts, "step"));
}

/** A line of what the student was measured at, rather than of a step. */
const isMeasurement = (metric: Metric) => Object.keys(metric).some((name) => /^eval[/_]/.test(name));

/** Drop what a killed run logged after its last checkpoint, up to which it was trained and measured: the rest is done again. */
export function keepMetricsUntil(folder: RunFolder, step: number, evaluated: number): void {
  const path = join(folder.path, METRICS);
  if (!existsSync(path)) return;
  const whole = readFile(path)
    .toString("utf8")
    .split("\n")
    .filter((line) => {
      const metric = parsed(line);
      return metric !== undefined && metric.step! <= (isMeasurement(metric) ? evaluated : step);
    });
  folder.writeFile(METRICS, whole.map((line) => `${line}\n`).join(""), () => true); // it grows while a run goes on
}
