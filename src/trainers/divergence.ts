/** @file Steps whose loss or gradients are not finite, and what is said of them. */

import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import type { Report } from "./layout/layout.ts";
import type { Precision } from "./precision.ts";

/** A step that was asked for and not yet looked at, and the numbers of what it trained on. */
export type Seen = { step: number; rows: readonly number[] };

/** A step that is not finite is passed over: in half precision the next scale of the loss may mend it, in full none does. */
export function refuseDivergence(
  { loss, grad_norm, loss_scale, skipped_steps }: Report,
  unseen: readonly Seen[],
  unit: string,
  precision: Precision,
  saved: number | undefined,
  checkpoints: string,
): void {
  if (precision === "fp16" ? loss_scale >= 1 : skipped_steps === 0 && Number.isFinite(loss)) return;
  const last = saved
    ? `The last good checkpoint is ${join(checkpoints, `step-${saved}`)}.`
    : "There is no checkpoint before it.";
  const what = Number.isFinite(loss) ? `The gradient's norm is ${grad_norm}` : `The loss is ${loss}`;
  const steps = unseen.map(({ step }) => step);
  const where = steps.length > 1 ? `in one of the steps ${steps[0]} to ${steps.at(-1)}` : `at step ${steps[0]}`;
  const numbers = unseen.flatMap(({ rows }) => rows);
  const some =
    numbers.length > 12 ? `${numbers.slice(0, 12).join(", ")} and ${numbers.length - 12} more` : numbers.join(", ");
  const cure =
    precision === "fp16"
      ? `Half precision overflows however little the loss is scaled: set trainer.precision to fp32.`
      : "Try a lower learning_rate or max_grad_norm.";
  throw new DistillError(
    `${what} ${where} (${unit} ${some}), and training stopped before it was applied. ${last} ${cure}`,
  );
}
