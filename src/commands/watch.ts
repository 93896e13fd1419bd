/** @file distill watch: the curves of a run while it goes on, in the terminal or as a page. */

import { setTimeout as sleep } from "node:timers/promises";
import { DistillError } from "../core/errors.ts";
import { formatDuration } from "../core/progress.ts";
import { ended, Port, serveLocally } from "./local-server.ts";
import { metricCharts } from "./report/curves.ts";
import { type Run, runsIn } from "./report/found.ts";
import { reportPage } from "./report/page.ts";
import { terminalCharts } from "./watch/terminal.ts";

export type WatchArguments = { serve?: boolean; port?: string };

const REFRESH = 2; // seconds, in a terminal
const RELOAD = 10; // of a page, which reads all traces

/** Show a run until `signal` ends it; where there is no terminal, as it is now. */
export async function watch(path: string, { serve, port: given }: WatchArguments, signal: AbortSignal): Promise<void> {
  const port = Port.safeParse(given);
  if (!port.success) throw new DistillError(`--port: ${port.error.issues[0]!.message}.`);
  runsIn(path);
  if (serve || port.data !== undefined) {
    const server = await serveLocally(() => ({ html: reportPage(runsIn(path), { refresh: RELOAD }) }), port.data);
    console.log(`${path} is shown on ${server.url}; Ctrl-C ends that.`);
    await ended(signal);
    return server.close();
  }
  const { stdout } = process;
  if (!stdout.isTTY) return console.log(shown(runsIn(path), 100));
  while (!signal.aborted) {
    const lines = shown(runsIn(path), stdout.columns || 80)
      .split("\n")
      .slice(0, (stdout.rows || 40) - 1);
    stdout.write(`\x1b[H\x1b[2J${lines.join("\n")}\n`);
    await sleep(1000 * REFRESH, undefined, { signal }).catch(() => {});
  }
}

function shown(runs: readonly Run[], width: number): string {
  return runs
    .map(({ name, manifest: { stages }, metrics }) => {
      const states = Object.entries(stages).map(([stage, { finished_at, seconds }]) =>
        finished_at ? `${stage} ${formatDuration(seconds ?? 0)}` : `${stage} …`,
      );
      const charts = metricCharts(metrics);
      return [
        `${name}: ${states.join(" · ")}`,
        charts.length > 0 ? terminalCharts(charts, width) : "No curves yet.",
      ].join("\n\n");
    })
    .join("\n\n");
}
