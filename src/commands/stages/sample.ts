/** @file Traces from the teacher, all of them kept. */

import { create } from "../../core/component.ts";
import type { Stage } from "../../recipe/stages.ts";
import { describeSpent } from "../../sampling/forecast.ts";
import { sample } from "../../sampling/sample.ts";
import type { Price } from "../../teachers/budget.ts";
import * as teachers from "../../teachers/index.ts";
import { priceOf } from "../../teachers/priced.ts";
import { describePlacement } from "../../teachers/teacher.ts";
import { type Context, inputOfRules, ledgerOf, promptsInput, questions, teacherInput } from "./context.ts";
import { takeEarlierTraces } from "./earlier.ts";
import { openRulesOf, tellJudges } from "./rules.ts";

/** The questions that a recipe samples from, and where what is drawn is kept. */
export function samplingOf(context: Context) {
  const { sampling, rewards } = context.recipe;
  const { prompts: source, ...options } = sampling!;
  const rules = rewards!;
  const prompts = () => questions(source, "train", rules);
  return { options, rules, prompts, ledger: () => ledgerOf(context, teacherInput(context), rules, options) };
}

const described = ({ currency, source }: Price) => ({ currency, source });
const capital = (line: string) => `${line[0]!.toUpperCase()}${line.slice(1)}.`;

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
      ...(options.max_accepted === undefined && !options.give_up ? {} : { rewards: inputOfRules(context, rules) }),
    }),
    leaves: [],
    async run({ folder, signal, requireUnchanged }) {
      const spec = context.recipe.teacher!;
      const teacher = await create(teachers, spec, "teacher");
      let opened: Awaited<ReturnType<typeof openRulesOf>> | undefined;
      try {
        requireUnchanged();
        const { placement } = teacher;
        if (placement) console.log(`${teacher.model} runs ${describePlacement(placement)}.`);
        const { name, place } = ledger();
        const taken = takeEarlierTraces(folder.path, place(), teacher, prompts(), options);
        if (taken > 0)
          console.log(`${taken} traces of an earlier version's run were drawn as is asked now, and are taken over.`);
        opened = await openRulesOf(context, rules, signal);
        const run = {
          teacher,
          prompts: prompts(),
          rewards: opened.rewards,
          options,
          ledger: place(),
          price: priceOf(spec, teacher.model),
          signal,
        };
        const { stopped, failed, ...result } = await sample(run);
        folder.keep(name, { rows: result.drawn });
        for (const { prompt_id, error } of failed.slice(0, 3))
          console.error(`Prompt "${prompt_id}" was not asked: ${error}`);
        if (failed.length > 3) console.error(`${failed.length - 3} more prompts were not asked; their traces say why.`);
        const { exhausted, spent, foreseen } = result;
        if (exhausted !== undefined)
          console.log(
            `Less was drawn than is asked for: ${exhausted}. What is there is used; raise sampling.budget for more.`,
          );
        if (spent) for (const line of describeSpent(spent, run.price, foreseen)) console.log(capital(line));
        tellJudges(opened.judges);
        return { stopped, result: { ...result, placement, ...(run.price ? { price: described(run.price) } : {}) } };
      } finally {
        await teacher.close();
        await opened?.close();
      }
    },
  };
}
