/** @file distill plan: what a run would do, and what it will take. */

import { DistillError } from "../core/errors.ts";
import { readPipeline } from "../recipe/pipeline.ts";
import { type Recipe, readRecipe } from "../recipe/recipe.ts";
import { type Manifest, planStages, readManifest, type StagePlan } from "../recipe/stages.ts";
import { requireConsent } from "../rewards/consent.ts";
import { openRunFolder } from "../store/run-folder.ts";
import { withStudentFolder } from "../student/unpack.ts";
import { continuesFrom } from "../trainers/checkpoint.ts";
import { type Actual, describeComparison, describeEstimate, type TrainingEstimate } from "../trainers/estimate.ts";
import { planSteps } from "./pipeline.ts";
import { prepare, refuseOwnInputs, weightsFor } from "./prepare.ts";
import { type Context, readAllQuestions, trainerOf } from "./stages/context.ts";
import { foreseeSampling, measureSampling } from "./stages/foresee.ts";
import { fromHub } from "./stages/hub.ts";
import { foreseeTraining } from "./stages/train.ts";

export type PlanOptions = { measure?: string; allowModules?: boolean };

/** distill plan: what a run would do, and why. Nothing is done, unless a few answers are asked for to foresee more. */
export async function plan(
  path: string,
  overrides: readonly string[],
  { measure, allowModules }: PlanOptions,
  signal: AbortSignal,
): Promise<void> {
  const count = measure === undefined ? 0 : Number(measure);
  if (!Number.isInteger(count) || count < 0)
    throw new DistillError(`--measure is ${measure}. Expected a number of answers, such as 32.`);
  const pipeline = readPipeline(path, overrides);
  const each = async (recipe: Recipe) => {
    if (count > 0 && !recipe.sampling)
      throw new DistillError(
        `--measure asks a teacher for answers, and ${recipe.name} has no sampling that would ask for more. Leave it out.`,
      );
    if (count > 0) await measureFirst(recipe, count, allowModules, signal);
    return !signal.aborted && planRecipe(recipe, path, signal);
  };
  if (pipeline) await planSteps(pipeline, each);
  else await each(readRecipe(path, overrides));
}

async function measureFirst(
  recipe: Recipe,
  count: number,
  allowModules: boolean | undefined,
  signal: AbortSignal,
): Promise<void> {
  requireConsent(recipe.rewards ?? [], allowModules);
  const fetched = await fromHub(recipe, { weights: weightsFor("sample", recipe), signal });
  if (!fetched) return;
  refuseOwnInputs(fetched.recipe);
  await readAllQuestions(fetched.recipe);
  const folder = await openRunFolder(recipe.output!, recipe.name);
  try {
    await measureSampling({ recipe: fetched.recipe, folder, hub: fetched.hub }, count, signal);
  } finally {
    folder.close();
  }
}

/** Whether anything of one recipe is due. */
async function planRecipe(recipe: Recipe, recipePath: string, signal: AbortSignal): Promise<boolean> {
  const fetched = await fromHub(recipe, { weights: weightsFor("plan", recipe), signal });
  if (!fetched) return false;
  refuseOwnInputs(fetched.recipe);
  const { student, folder, close } = await withStudentFolder(fetched.recipe, recipe.output!, recipe.name);
  try {
    const unpacked = { ...fetched.recipe, student };
    await readAllQuestions(unpacked);
    const { context, stages, targets } = prepare({ recipe: unpacked, folder, hub: fetched.hub }, "run", recipePath);
    const manifest = readManifest(folder);
    const planned = planStages(stages, targets, manifest, folder);
    for (const { name, due, reason } of planned)
      console.log(`${name.padEnd(9)} ${due ? "runs" : "up to date"}${due ? `: ${reason}` : ""}`);
    const train = planned.find(({ name, due }) => name === "train" && due);
    for (const line of await foreseen(context, manifest, train, signal)) console.log(line);
    return planned.some(({ due }) => due);
  } finally {
    close();
  }
}

/** What the work will be, as far as it can be said before; and what it was, where it is done. */
async function foreseen(
  context: Context,
  manifest: Manifest | undefined,
  train: StagePlan | undefined,
  signal: AbortSignal,
): Promise<string[]> {
  const { recipe } = context;
  const lines: string[] = [];
  if (recipe.sampling) lines.push("", ...foreseeSampling(context));
  const later =
    trainerOf(recipe).needs === "prompts"
      ? "the student writes what it learns from, so the time is not foreseen; memory is, once the run begins."
      : "foreseen once the traces are there.";
  const found = await foreseeTraining(context, signal);
  const estimate = found && "unusable" in found ? undefined : found;
  const [first, ...rest] = estimate
    ? describeEstimate(estimate)
    : [found ? `it cannot be computed here. ${(found as { unusable: string }).unusable}` : later];
  lines.push("", `Training: ${first}`, ...rest);
  const from = train && estimate && continuesFrom(context.folder, train.fingerprint, estimate.steps);
  if (from !== undefined) lines.push(`It continues from the checkpoint of step ${from}.`);
  const { predicted, actual } = (manifest?.stages.train?.result ?? {}) as {
    predicted?: TrainingEstimate;
    actual?: Actual;
  };
  if (predicted && actual && actual.steps > 0)
    lines.push(`Last time it took ${describeComparison(predicted, actual)}.`);
  return lines;
}
