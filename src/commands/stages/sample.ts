/** @file Traces from the teacher, all of them kept. */

import { create } from "../../core/component.ts";
import type { Stage } from "../../recipe/stages.ts";
import { createRewards, rewardsInput } from "../../rewards/create.ts";
import { sample } from "../../sampling/sample.ts";
import * as teachers from "../../teachers/index.ts";
import { describePlacement } from "../../teachers/teacher.ts";
import { type Context, ledgerOf, promptsInput, questions, teacherInput } from "./context.ts";
import { takeEarlierTraces } from "./earlier.ts";

/** The questions that a recipe samples from, and where what is drawn is kept. */
export function samplingOf(context: Context) {
  const { sampling, rewards } = context.recipe;
  const { prompts: source, ...options } = sampling!;
  const rules = rewards!;
  const prompts = () => questions(source, "train", rules);
  return { options, rules, prompts, ledger: () => ledgerOf(context, teacherInput(context), rules, options) };
}

export function sampleStage(context: Context): Stage {
  const { options, rules, prompts, ledger } = samplingOf(context);
  return {
    name: "sample",
    after: [],
    // what rules say of a trace is the next stage's; with a limit of accepted ones it decides what is drawn
    inputs: () => ({
      sampling: options,
      prompts: promptsInput(prompts()),
      teacher: teacherInput(context),
      ...(options.max_accepted === undefined ? {} : { rewards: rewardsInput(rules) }),
    }),
    leaves: [],
    async run({ folder, signal, requireUnchanged }) {
      const teacher = await create(teachers, context.recipe.teacher!, "teacher");
      try {
        requireUnchanged();
        const { placement } = teacher;
        if (placement) console.log(`${teacher.model} runs ${describePlacement(placement)}.`);
        const { name, place } = ledger();
        const taken = takeEarlierTraces(folder.path, place(), teacher, prompts(), options);
        if (taken > 0)
          console.log(`${taken} traces of an earlier version's run were drawn as is asked now, and are taken over.`);
        const run = {
          teacher,
          prompts: prompts(),
          rewards: await createRewards(rules),
          options,
          ledger: place(),
          signal,
        };
        const { stopped, failed, ...result } = await sample(run);
        folder.keep(name, { rows: result.drawn });
        for (const { prompt_id, error } of failed.slice(0, 3))
          console.error(`Prompt "${prompt_id}" was not asked: ${error}`);
        if (failed.length > 3) console.error(`${failed.length - 3} more prompts were not asked; their traces say why.`);
        return { stopped, result: { ...result, placement } };
      } finally {
        await teacher.close();
      }
    },
  };
}
