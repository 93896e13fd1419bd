/** @file What a run continues from whose length is another one now, in words. */

import type { TrainerState } from "./checkpoint.ts";
import { type Scheduled, scheduled } from "./schedule.ts";

/** Nothing where a run of the same length continues, or none. `beyond` are the steps of checkpoints that were removed. */
export function describeContinuation(
  resumed: Pick<TrainerState, "step" | "steps"> | undefined,
  beyond: readonly number[],
  steps: number,
  options: Scheduled,
): string | undefined {
  const removed =
    beyond.length > 0
      ? `The run had come to step ${beyond.at(-1)}, and is now to have ${steps}; what was beyond that is removed. `
      : "";
  if (!resumed) return removed && `${removed}No checkpoint of an earlier step is left, so it starts again.`;
  const { step, steps: before = steps } = resumed;
  if (before === steps && !removed) return undefined;
  const same = Array.from({ length: step }, (_, i) => i + 1).every(
    (i) => scheduled(i, before, options) === scheduled(i, steps, options),
  );
  const place =
    step === steps ? `The student is that of step ${step}` : `Training continues from step ${step} of ${steps}`;
  const schedule = same
    ? "its learning rates were those of a run of this length."
    : step === steps
      ? `its learning rates were those of a run of ${before} steps.`
      : `the schedule is that of ${steps} steps from there on, and was that of ${before} before.`;
  return `${removed}${place}; ${schedule}`;
}
