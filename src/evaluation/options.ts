/** @file What a recipe says of a measurement. */

import { z } from "zod";
import { oneOf } from "../core/component.ts";
import { NAME } from "../core/names.ts";
import { RuleSpec } from "../judging/options.ts";
import { RewardSpecs } from "../rewards/create.ts";
import { SamplerOptions } from "../sampling/options.ts";
import * as methods from "../search/index.ts";
import * as teachers from "../teachers/index.ts";
import { presets, protocols } from "./presets.ts";

const names = <Name extends string>(of: Record<Name, unknown>) => Object.keys(of) as [Name, ...Name[]];

/** Names of places beside those of measurements. */
const TAKEN = ["models", "traces", "search"];

export const EvaluationOptions = SamplerOptions.omit({
  max_accepted: true,
  give_up: true,
  budget: true,
  top_logprobs: true,
}).extend({
  name: z
    .string()
    .regex(/^[\w-]+$/, "only letters, digits, '_' and '-'")
    .refine((name) => !TAKEN.includes(name), `no measurement can be called ${TAKEN.join(" or ")}`)
    .optional()
    .describe("What it is called, where there are several."),
  preset: z
    .enum(names(presets))
    .optional()
    .describe("A published benchmark: its questions, how they are asked, samples and rule. Other keys go before."),
  protocol: z
    .enum(names(protocols))
    .optional()
    .describe("How is sampled: deepseek_r1 is temperature 0.6, top_p 0.95 and 32,768 tokens. Other keys go before."),
  models: z
    .array(
      z.union([
        z.string(),
        oneOf(teachers, {
          name: z.string().regex(NAME).describe("What it is called in the report."),
        }),
      ]),
    )
    .optional()
    .describe(
      "base, teacher, student, student-<name of an export>, or another with a name and a teacher's options; all that there are unless given.",
    ),
  correctness: RuleSpec.optional().describe(
    "The rule that says what is right; accuracy, wherever in the completion the answer stands, unless given.",
  ),
  rewards: RewardSpecs.optional().describe(
    "Rules whose mean is told beside correctness, such as language_consistency.",
  ),
  pass_at: z
    .array(z.int().positive())
    .min(1)
    .optional()
    .describe("The k of pass@k; the powers of two up to num_generations unless given."),
  search: z
    .array(oneOf(methods))
    .min(1)
    .optional()
    .describe("Ways to spend more tokens on a problem, whose accuracy against tokens is told."),
});
export type EvaluationOptions = z.output<typeof EvaluationOptions>;
