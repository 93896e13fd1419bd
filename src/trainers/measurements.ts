/** @file How the student was measured so far: when it is next, what was best, and whether there is anything left to gain. */

import type { Best, TrainerState } from "./checkpoint.ts";
import type { Source } from "./source.ts";

type Evaluation = NonNullable<Source<never>["evaluation"]>;

/**
 * Measurements of a run that goes on from a checkpoint, or begins. `kept` says whether there are weights of a step. What was
 * best counts no longer where its weights are wanted and were not kept: what is at hand is then measured again.
 */
export function openMeasurements(
  evaluation: Evaluation | undefined,
  resumed: Pick<TrainerState, "step" | "evaluated" | "best" | "early_stopping_patience_counter"> | undefined,
  kept: (step: number) => boolean,
) {
  const lost = evaluation?.best && resumed?.best && !kept(resumed.best.step);
  let best: Best | undefined = lost ? undefined : resumed?.best;
  let evaluated = lost ? Math.min(resumed!.step - 1, resumed!.evaluated) : (resumed?.evaluated ?? 0);
  let counter = resumed?.early_stopping_patience_counter ?? 0;
  let said: string | undefined;
  return {
    /** What a checkpoint keeps. */
    state: () => ({ evaluated, best, early_stopping_patience_counter: counter }),
    /** The best so far, where its weights are to become the student. */
    wanted: () => (evaluation?.best ? best : undefined),
    /** The last score, in words. */
    said: () => said,
    due: (step: number) => evaluation !== undefined && step > 0 && evaluated !== step && evaluation.due(step),
    /** Take what was found after a step; whether it is the best, and wanted. */
    take(step: number, score: number): boolean {
      const { stopping, describe } = evaluation!;
      evaluated = step;
      said = describe(score);
      const gained = score - (best?.score ?? Number.NEGATIVE_INFINITY);
      counter = gained > (stopping?.threshold ?? 0) ? 0 : counter + 1;
      if (gained > 0) best = { step, score };
      return gained > 0 && evaluation!.best;
    },
    /** Whether too little was gained for too long. */
    exhausted: () => counter >= (evaluation?.stopping?.patience ?? Number.POSITIVE_INFINITY),
  };
}
