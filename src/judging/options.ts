/** @file What a recipe says of a model that is asked where a rule says no. */

import { z } from "zod";
import { notContent, oneOf } from "../core/component.ts";
import { rewardSpec } from "../rewards/create.ts";
import { BudgetOptions } from "../teachers/budget.ts";
import * as teachers from "../teachers/index.ts";
import { PROMPT, requirePlaces } from "./question.ts";

export const JudgeOptions = z
  .strictObject({
    teacher: oneOf(teachers).describe("The model that is asked."),
    when: z
      .array(z.enum(["incorrect", "unknown", "truncated"]))
      .min(1)
      .default(["incorrect", "unknown"])
      .describe("What the rule says where it is asked; an empty answer, or one without a reference, never is."),
    prompt: z
      .string()
      .default(PROMPT)
      .superRefine((prompt, context) => {
        const fault = requirePlaces(prompt);
        if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
      })
      .describe(
        "What it is asked, with {prompt}, {reference} and {completion} (without the reasoning) in their places; its last line is the verdict.",
      ),
    accept_word: z.string().trim().min(1).default("yes").describe("The last line of an answer that finds it right."),
    reject_word: z.string().trim().min(1).default("no").describe("The last line of an answer that finds it wrong."),
    temperature: z.number().nonnegative().default(0).describe("By which its logits are divided; 0 is greedy."),
    max_completion_length: z
      .int()
      .positive()
      .default(2048)
      .describe("The most tokens of its answer, its reasoning among them; one that is cut says nothing."),
    budget: notContent(BudgetOptions.optional()).describe(
      "What may be used for it, in tokens and in money; counted over all runs. Where it is used up, judging stops.",
    ),
  })
  .refine(({ accept_word, reject_word }) => accept_word.toLowerCase() !== reject_word.toLowerCase(), {
    path: ["reject_word"],
    message: "it is the word that accepts; give another one",
  })
  .refine(({ teacher }) => !("batch" in teacher && teacher.batch), {
    path: ["teacher", "batch"],
    message: "a judge is asked as answers come, and not in batches; leave it out",
  })
  .describe("A model that is asked where the rule says no. What the rule says stays as it is, beside that.");
export type JudgeOptions = z.output<typeof JudgeOptions>;

/** A reward, and who is asked where it says no. */
export const RuleSpec = rewardSpec({ judge: JudgeOptions.optional() });

/** Rewards of a recipe; one of them may have a judge. */
export const RuleSpecs = z
  .array(RuleSpec)
  .min(1)
  .refine((rules) => rules.filter((rule) => "judge" in rule && rule.judge).length < 2, {
    message: "several rules have a judge, and rows have one verdict of a judge; leave it with one rule",
  });
export type RuleSpec = z.output<typeof RuleSpec>;
