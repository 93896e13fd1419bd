import { z } from "zod";

export const ScheduleOptions = z.object({
  lr_scheduler_type: z
    .enum(["linear", "cosine_with_min_lr", "constant"])
    .default("cosine_with_min_lr")
    .describe("How the learning rate falls after the warm-up."),
  warmup_ratio: z
    .number()
    .min(0)
    .max(1)
    .default(0.03)
    .describe("The share of the steps over which the learning rate rises from 0."),
  min_lr_rate: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("cosine_with_min_lr ends at this share of the learning rate."),
});

/** The share of the learning rate at step `step` (from 1) of `steps`, after a linear warm-up. */
export function scheduled(step: number, steps: number, options: z.output<typeof ScheduleOptions>): number {
  const warmup = Math.ceil(steps * options.warmup_ratio);
  if (step <= warmup) return step / warmup;
  if (options.lr_scheduler_type === "constant") return 1;
  const progress = (step - 1 - warmup) / Math.max(1, steps - warmup); // 0 at the first step after the warm-up
  if (options.lr_scheduler_type === "linear") return 1 - progress;
  const { min_lr_rate } = options;
  return min_lr_rate + (1 - min_lr_rate) * 0.5 * (1 + Math.cos(Math.PI * progress));
}
