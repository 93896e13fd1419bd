/** @file What is said of steps: the lines of metrics.jsonl, and the progress that is shown. */

import { appendFileSync } from "node:fs";
import { startProgress } from "../core/progress.ts";
import type { RunFolder } from "../store/run-folder.ts";
import { METRICS } from "./curves.ts";
import type { Report } from "./layout/layout.ts";
import type { Precision } from "./precision.ts";
import type { Source, Step } from "./source.ts";

/** A step that was done and looked at. */
type Looked = {
  step: number;
  made: Omit<Step<unknown>, "rows">;
  report: Report;
  learning_rate: number;
  /** Between the batches and the look, in seconds. */
  training: number;
};

/** What is said of the steps behind `from`, of `steps` in all. */
export function openStepLog(
  folder: RunFolder,
  { stepsPerEpoch, describe, steps }: Pick<Source<never>, "stepsPerEpoch" | "describe" | "steps">,
  { from, precision, silent }: { from: number; precision: Precision; silent: boolean },
) {
  const path = folder.place(METRICS);
  const progress = silent ? undefined : startProgress("train", steps, "step", from);
  const done = { steps: 0, tokens: 0, seconds: 0 };
  let since = { tokens: 0, seconds: 0 }; // the last line
  const write = (metric: Record<string, unknown>) => appendFileSync(path, `${JSON.stringify(metric)}\n`);
  return {
    /** What was done since the log was opened. */
    done,
    count(tokens: number, seconds: number): void {
      done.steps++;
      for (const sum of [done, since]) {
        sum.tokens += tokens;
        sum.seconds += seconds;
      }
    },
    /** A line of metrics. */
    write,
    /** Say how a step went: in the progress, behind what is said of the last measurement, and in a line where it is `logged`. */
    say({ step, made, report, learning_rate, training }: Looked, measured: string | undefined, logged: boolean): void {
      const { loss, grad_norm, loss_scale, skipped_steps } = report;
      const updated = made.batches.length > 0;
      const tokens_per_s = since.tokens / since.seconds;
      const own = {
        ...(updated ? report.metrics : {}),
        ...made.metrics,
        // beside the times of what a source does itself
        ...(made.metrics ? { "seconds/training": training } : {}),
      };
      if (logged) {
        write({
          step,
          ...(stepsPerEpoch ? { epoch: step / stepsPerEpoch } : {}),
          ...(updated ? { loss, grad_norm } : { skipped: true }),
          learning_rate,
          tokens_per_s,
          supervised: made.supervised,
          ...own,
          ...(precision === "fp16" ? { loss_scale, skipped_steps } : {}),
        });
        since = { tokens: 0, seconds: 0 };
      }
      const parts = [
        updated ? `loss ${loss.toFixed(4)} · grad ${grad_norm.toFixed(3)}` : "no update",
        describe?.(own),
        measured,
        `lr ${learning_rate.toExponential(2)} · ${tokens_per_s.toFixed(0)} tokens/s`,
        skipped_steps > 0 ? `${skipped_steps} skipped` : undefined,
      ];
      progress?.update(step, parts.filter(Boolean).join(" · "));
    },
    end: () => progress?.end(),
  };
}
