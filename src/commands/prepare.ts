/** @file What a verb of a recipe comes to: which stages, on whose files, and none of them the run's own. */

import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { mapPaths } from "../recipe/paths.ts";
import { evaluationsOf, type Recipe } from "../recipe/recipe.ts";
import type { Stage } from "../recipe/stages.ts";
import { type Context, NAMES, trainerOf } from "./stages/context.ts";
import { evaluateStage } from "./stages/evaluate.ts";
import { exportStage } from "./stages/export.ts";
import { judgeStage } from "./stages/judge.ts";
import { logprobsStage } from "./stages/logprobs.ts";
import { sampleStage } from "./stages/sample.ts";
import { selectStage } from "./stages/select.ts";
import { trainStage } from "./stages/train.ts";

/** What each verb is to have done; what that reads from is done first where it is due. */
const TARGETS = {
  sample: ["select"],
  train: ["train"],
  export: ["export"],
  eval: ["evaluate"],
  run: ["select", "train", "export", "evaluate"],
} as const;
export type Verb = keyof typeof TARGETS;

/** Whose weights a verb may need: an adapter is merged into the student before anything else. */
export function weightsFor(verb: Verb | "plan", { student }: Recipe): ("student" | "teacher")[] {
  const merged = "path" in student && student.adapter !== undefined;
  if (verb === "plan") return merged ? ["student"] : [];
  return verb === "sample" && !merged ? ["teacher"] : ["student", "teacher"];
}

/** The stages that a recipe has, each behind those that it reads from. */
function stagesOf(context: Context): Stage[] {
  const { sampling, ...recipe } = context.recipe;
  return [
    ...(sampling ? [sampleStage(context), judgeStage(context), selectStage(context)] : []),
    ...(trainerOf(context.recipe).teacher === "logprobs" ? [logprobsStage(context)] : []),
    trainStage(context),
    ...(recipe.export.length > 0 ? [exportStage(context)] : []),
    ...evaluationsOf(recipe).map((evaluation) => evaluateStage(context, evaluation)),
  ];
}

/** What a run reads from is not what it writes: a student is never its own base. */
export function refuseOwnInputs(recipe: Recipe): void {
  const written = [
    NAMES.student,
    NAMES.adapter,
    NAMES.base,
    NAMES.merged,
    NAMES.export,
    NAMES.evaluation,
    "checkpoints",
    "logprobs",
  ];
  if (recipe.sampling) written.push(NAMES.traces, NAMES.dataset, "samples");
  const places = written.map((name) => ({ name, place: real(join(recipe.output!, name)) }));
  mapPaths(recipe, (path) => {
    const own = places.find(({ place }) => `${real(path)}/`.startsWith(`${place}/`));
    if (own)
      throw new DistillError(
        `${path} lies in ${own.place}, which this run writes itself. Give the recipe another output, or copy what it reads from to another place.`,
      );
    return path;
  });
}

const real = (path: string): string => {
  if (existsSync(path)) return realpathSync(path);
  const parent = dirname(path);
  return parent === path ? path : join(real(parent), basename(path));
};

/** The stages of a recipe, and those of them that a verb is to have done. */
export function prepare(context: Context, verb: Verb, path: string) {
  const stages = stagesOf(context);
  // of measurements there may be several
  const targets = TARGETS[verb].flatMap((target) =>
    stages.flatMap(({ name }) => (name === target || name.startsWith(`${target}.`) ? [name] : [])),
  );
  if (targets.length === 0)
    throw new DistillError(`${path} has no section "${SECTIONS[verb]}", which distill ${verb} needs.`);
  return { context, stages, targets };
}

const SECTIONS: Record<Verb, string> = {
  sample: "sampling",
  train: "trainer",
  export: "export",
  eval: "evaluation",
  run: "trainer",
};
