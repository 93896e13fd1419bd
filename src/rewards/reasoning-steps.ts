import { z } from "zod";
import { reasoningPart } from "./parts.ts";
import { defineReward } from "./reward.ts";

const STEP = /\bStep \d+[:.]|^[ \t]*\d+[.)] |^[ \t]*[-*•] |\b(?:First|Second|Third|Next|Then|Finally),/gm;

/**
 * min(1, markers of steps in the reasoning / min_steps): "Step 1:", numbered and bulleted lines, "First,", "Next," …
 * Rewards the look of steps only. Source: open-r1, `reasoning_steps_reward`.
 */
export const reasoning_steps = defineReward({
  options: z
    .strictObject({ min_steps: z.int().positive().default(3).describe("So many markers are enough.") })
    .describe("Markers of steps in the reasoning, over min_steps, at most 1."),
  create:
    ({ min_steps }) =>
    ({ completion }) => {
      const steps = reasoningPart(completion).match(STEP)?.length ?? 0;
      return { score: Math.min(1, steps / min_steps), reason: `${steps} steps` };
    },
});
