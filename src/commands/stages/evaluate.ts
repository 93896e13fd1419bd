/** @file Every model on the same unseen problems. */

import { join } from "node:path";
import { create } from "../../core/component.ts";
import { DistillError } from "../../core/errors.ts";
import { contentHash } from "../../core/hash.ts";
import { curvesOf, curvesPicture } from "../../evaluation/curves.ts";
import { evaluateModel, type ModelReport, withGains } from "../../evaluation/evaluate.ts";
import { searchModel } from "../../evaluation/searching.ts";
import type { Exported } from "../../exporters/exporter.ts";
import type { JudgedSpec } from "../../judging/open.ts";
import { scorersOf } from "../../recipe/paths.ts";
import type { Evaluation } from "../../recipe/recipe.ts";
import type { Stage } from "../../recipe/stages.ts";
import { type RewardSpec, rewardsInput } from "../../rewards/create.ts";
import * as teachers from "../../teachers/index.ts";
import { describePlacement, type Placement } from "../../teachers/teacher.ts";
import {
  type Context,
  contentOfTeacher,
  inputOfRules,
  ledgerOf,
  NAMES,
  promptsInput,
  questions,
  teacherInput,
} from "./context.ts";
import { openRulesOf, tellJudges } from "./rules.ts";
import { chosenOf, others, requireNames, type Subject } from "./subjects.ts";

/** A measurement of a recipe's models. */
export function evaluateStage(context: Context, evaluation: Evaluation): Stage {
  requireNames(context, evaluation);
  return measureStage(context, evaluation, {
    after: context.recipe.export.length > 0 ? ["train", "export"] : ["train"],
    inputs: () => (context.recipe.teacher ? { teacher: teacherInput(context) } : {}),
    chosen: (results) => chosenOf(context, evaluation, (results.export?.files ?? []) as Exported[]),
    base: "base",
  });
}

export type Measured = {
  /** The stages that make what is measured. */
  after: readonly string[];
  /** What else the result hangs on. */
  inputs: () => Record<string, unknown>;
  chosen: (results: Record<string, Record<string, unknown>>) => readonly Subject[];
  /** The model over which the others gain. */
  base: string;
};

/** Rules of correctness and further ones, what is drawn, and what else is done with it. */
function partsOf(evaluation: Evaluation) {
  const { name, preset: _, protocol: __, ...said } = evaluation;
  const { prompts: source, models, weights, correctness, rewards = [], pass_at, search, ...options } = said;
  const rules: JudgedSpec[] = [...(correctness ? [correctness] : CORRECTNESS), ...rewards];
  return { name, source, models, weights, rules, pass_at, search, options };
}

/** What a measurement is called among the stages, and where it is kept. */
export const stageOf = ({ name }: Pick<Evaluation, "name">) => (name === undefined ? "evaluate" : `evaluate.${name}`);
const placeOf = (name: string | undefined) => (name === undefined ? NAMES.evaluation : `${NAMES.evaluation}/${name}`);

export function measureStage(
  context: Pick<Context, "folder" | "hub">,
  evaluation: Evaluation,
  { after, inputs, chosen, base }: Measured,
): Stage {
  const { name: called, source, models: wanted, weights, rules, pass_at, search, options } = partsOf(evaluation);
  const beyond = pass_at?.find((k) => k > options.num_generations);
  if (beyond !== undefined)
    throw new DistillError(
      `evaluation.pass_at asks for pass@${beyond}, and num_generations is ${options.num_generations}. Draw as many samples, or ask for less.`,
    );
  const prompts = () => questions(source, "test", rules);
  const place = placeOf(called);
  const REPORT = `${place}/report.json`;
  const shown = pass_at ? { pass_at } : {};
  return {
    name: stageOf(evaluation),
    after,
    inputs: () => ({
      evaluation: {
        ...options,
        ...shown,
        weights,
        models: wanted?.map((one) => (typeof one === "string" ? one : one.name)),
      },
      ...others(context, wanted ?? []),
      rewards: inputOfRules(context, rules),
      prompts: promptsInput(prompts()),
      ...(search ? { search: searchInput(context, search) } : {}),
      ...inputs(),
    }),
    leaves: [REPORT],
    async run({ results, folder, signal, requireUnchanged }) {
      const asked = prompts();
      const measured: ModelReport[] = [];
      const curves: Record<string, ReturnType<typeof curvesOf>> = {};
      const placements: Record<string, Placement> = {};
      const tracesOf = (name: string) => `${place}/traces/${name}`;
      const opened = await openRulesOf(context, rules, signal);
      const { rewards } = opened;
      try {
        for (const { name, content, make } of chosen(results)) {
          const hash = content();
          const key = contentHash({
            content: hash,
            prompts: asked,
            options,
            rules: inputOfRules(context, rules),
            ...shown,
          });
          const open = async () => {
            const { teacher: spec, bytes } = await make(folder);
            const teacher = await create(teachers, spec, "teacher");
            try {
              requireUnchanged();
            } catch (error) {
              await teacher.close();
              throw error;
            }
            const { placement } = teacher;
            if (placement) {
              placements[name] = placement;
              console.log(`${name} runs ${describePlacement(placement)}.`);
            }
            return { teacher, bytes };
          };
          const report = await evaluateModel({
            name,
            open,
            prompts: asked,
            rewards,
            rules: contentHash(inputOfRules(context, rules)),
            options,
            folder,
            names: { state: `${place}/${name}.json`, traces: tracesOf(name) },
            ledger: ledgerOf(context, hash, rules, options).place(),
            key,
            pass_at,
            signal,
          });
          if (!report) return { stopped: true, result: {} };
          measured.push(report);
          if (!search) continue;
          const lines = await searchModel({
            name,
            open,
            prompts: asked,
            rewards: rewards.slice(0, 1),
            options,
            search,
            state: `${place}/search/${name}.json`,
            key: contentHash({ key, search: searchInput(context, search) }),
            folder,
            signal,
          });
          if (!lines) return { stopped: true, result: {} };
          curves[name] = curvesOf(lines);
        }
        tellJudges(opened.judges);
      } finally {
        await opened.close();
      }
      const models = withGains(measured, base, (name) => join(folder.path, tracesOf(name)));
      const found = search ? { curves } : {};
      folder.writeFile(REPORT, `${JSON.stringify({ models, ...found }, null, 2)}\n`);
      if (search) folder.writeFile(`${place}/curves.svg`, curvesPicture(curves));
      return { result: { models, ...found, placements } };
    },
  };
}

/** Correctness alone, wherever in the completion the answer stands: format is for training, not for measuring. */
const CORRECTNESS = [{ type: "accuracy", profile: "lenient", weight: 1 }];

/** What searches hang on: their options, and the content of the models and modules that they name. */
const searchInput = (context: Pick<Context, "folder" | "hub">, search: NonNullable<Evaluation["search"]>): unknown[] =>
  search.map((one) => ({
    ...one,
    scorers: scorersOf(one).map(({ teacher, rewards, ...scorer }) => ({
      ...scorer,
      ...(teacher ? { teacher: contentOfTeacher(context, teacher as { type: string }) } : {}),
      ...(rewards ? { rewards: rewardsInput(rewards as RewardSpec[]) } : {}),
    })),
    by: undefined,
    scorer: undefined,
  }));

/** The rules of a measurement and of its searches that may be programs. */
export const rulesIn = (evaluation: Evaluation): JudgedSpec[] => [
  ...partsOf(evaluation).rules,
  ...(evaluation.search ?? []).flatMap((one) => scorersOf(one).flatMap(({ rewards = [] }) => rewards as RewardSpec[])),
];
