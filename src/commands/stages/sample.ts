/** @file Traces from the teacher, all of them kept. */

import { existsSync, renameSync } from "node:fs";
import { create } from "../../core/component.ts";
import { contentHash } from "../../core/hash.ts";
import type { Stage } from "../../recipe/stages.ts";
import { createRewards, rewardsInput } from "../../rewards/create.ts";
import { sample } from "../../sampling/sample.ts";
import * as teachers from "../../teachers/index.ts";
import { describePlacement } from "../../teachers/teacher.ts";
import { type Context, promptsInput, questions, teacherInput, tracesFolder } from "./context.ts";

export function sampleStage(context: Context): Stage {
  const { recipe } = context;
  const { prompts: source, ...options } = recipe.sampling!;
  const rules = recipe.rewards!;
  const folder = tracesFolder(context);
  const prompts = () =>
    questions(
      source,
      "train",
      rules.map(({ type }) => type),
    );
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
    outputs: [folder],
    async run({ key, previous, signal }) {
      if (previous !== undefined && previous !== key && existsSync(folder)) setAside(folder, previous);
      const teacher = await create(teachers, recipe.teacher!, "teacher");
      try {
        const { placement } = teacher;
        if (placement) console.log(`${teacher.model} runs ${describePlacement(placement)}.`);
        const run = { teacher, prompts: prompts(), rewards: await createRewards(rules), options, folder, signal };
        const { stopped, ...result } = await sample(run);
        return { stopped, result: { ...result, judged_by: contentHash(rewardsInput(rules)), placement } };
      } finally {
        await teacher.close();
      }
    },
  };
}

/** Traces of other settings are kept beside the new ones. */
function setAside(folder: string, key: string): void {
  const kept = `${folder}-${key}`;
  if (!existsSync(kept)) renameSync(folder, kept);
}
