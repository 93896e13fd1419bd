/** @file The learning rate over the steps of a run, by the names and the options of transformers. */

import { z } from "zod";
import { SCHEDULES, type ScheduleName } from "./schedules.ts";

/** Names of transformers that hang on what training brings, which no length of a run foresees, and what to take instead. */
const REFUSED: Record<string, string> = {
  reduce_lr_on_plateau:
    "reduce_lr_on_plateau is not offered, because its rate hangs on measurements and not on the step. Take cosine or linear, and trainer.early_stopping_patience with evaluation_dataset to end a run that gains nothing more",
  greedy:
    "greedy is not offered, because its rate hangs on measurements and not on the step. Take cosine, linear or warmup_stable_decay",
};

export const ScheduleOptions = z.object({
  lr_scheduler_type: z
    .enum(Object.keys(SCHEDULES) as [ScheduleName, ...ScheduleName[]], {
      error: ({ input }) => (typeof input === "string" ? REFUSED[input] : undefined),
    })
    .default("cosine_with_min_lr")
    .describe("How the learning rate falls after the warm-up."),
  lr_scheduler_kwargs: z
    .record(z.string(), z.unknown())
    .optional()
    .describe("What a schedule has of its own, under the names of transformers."),
  warmup_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.03)
    .describe("The share of the steps over which the learning rate rises from 0."),
  warmup_steps: z
    .number()
    .min(0)
    .refine((given) => given < 1 || Number.isInteger(given), "give a whole number of steps, or a share below 1")
    .optional()
    .describe("The same in steps, or below 1 as a share; it goes before warmup_ratio."),
  min_lr_rate: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("cosine_with_min_lr ends at this share of the learning rate, unless lr_scheduler_kwargs says another."),
});

export type Scheduled = z.output<typeof ScheduleOptions> & { learning_rate: number };

/** Steps of the warm-up in a run of so many. */
export const warmupOf = (steps: number, { warmup_steps, warmup_ratio }: Scheduled): number =>
  warmup_steps !== undefined && warmup_steps >= 1 ? warmup_steps : Math.ceil(steps * (warmup_steps ?? warmup_ratio));

/**
 * The share of the learning rate at step `step` (from 1) of `steps`. After the warm-up it is what transformers has at the same
 * step; within it what transformers has one step later, so that no step is without a learning rate.
 */
export function scheduled(step: number, steps: number, options: Scheduled): number {
  const { kwargs, warmup: rise = linearRise, after } = SCHEDULES[options.lr_scheduler_type];
  const { learning_rate, min_lr_rate } = options;
  const given = kwargs.parse(options.lr_scheduler_kwargs ?? {});
  const place = { done: step - 1, steps, warmup: warmupOf(steps, options), learning_rate, min_lr_rate };
  return step <= place.warmup ? rise(place, given) : Math.max(0, after(place, given));
}

const linearRise = ({ done, warmup }: { done: number; warmup: number }) => (done + 1) / warmup;

/** What is wrong with the options of a schedule: the key of one, and a sentence. */
export function scheduleConflict(options: Scheduled): { key: string; message: string } | undefined {
  const { lr_scheduler_type: name, lr_scheduler_kwargs = {}, learning_rate } = options;
  const key = "lr_scheduler_kwargs";
  const { kwargs, conflict } = SCHEDULES[name];
  const known = Object.keys(kwargs.shape);
  const unknown = Object.keys(lr_scheduler_kwargs).find((given) => !known.includes(given));
  if (unknown !== undefined)
    return {
      key,
      message: `the schedule ${name} has no "${unknown}". Expected ${known.length > 0 ? `some of: ${known.join(", ")}` : "none, leave it out"}`,
    };
  const parsed = kwargs.safeParse(lr_scheduler_kwargs);
  if (!parsed.success) {
    const [{ path, message }] = parsed.error.issues as [{ path: PropertyKey[]; message: string }];
    return { key, message: `the schedule ${name}: ${path.join(".")}: ${message}` };
  }
  const said = conflict?.(parsed.data, { learning_rate });
  return said === undefined ? undefined : { key, message: said };
}
