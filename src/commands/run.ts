/** @file distill run, sample, train, export and eval: the stages of a recipe, as far as they are asked for and due. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { formatDuration } from "../core/progress.ts";
import type { Spent } from "../data/journal.ts";
import { markdownReport, type RunSummary, terminalReport } from "../evaluation/report.ts";
import { readPipeline } from "../recipe/pipeline.ts";
import { evaluationsOf, type Recipe, readRecipe } from "../recipe/recipe.ts";
import { type Manifest, runStages, type StagePlan } from "../recipe/stages.ts";
import { requireConsent } from "../rewards/consent.ts";
import { describeSpent, type Forecast } from "../sampling/forecast.ts";
import { openRunFolder } from "../store/run-folder.ts";
import { unpackStudent } from "../student/unpack.ts";
import type { Price } from "../teachers/budget.ts";
import { modelCard } from "./card.ts";
import { measurementsIn } from "./measurements.ts";
import { runSteps } from "./pipeline.ts";
import { prepare, refuseOwnInputs, type Verb, weightsFor } from "./prepare.ts";
import { REPORT, writeReport } from "./report.ts";
import { type Context, placeOf, readAllQuestions } from "./stages/context.ts";
import { rulesIn, stageOf } from "./stages/evaluate.ts";
import { fromHub } from "./stages/hub.ts";
import { followRun } from "./track.ts";
import { versions } from "./versions.ts";

export const STOPPED = "Stopped. The same command continues from there.";

export type RunOptions = {
  allowModules?: boolean;
  /** The one step of a pipeline that is run. */
  step?: string;
};

export async function run(
  verb: Verb,
  path: string,
  overrides: readonly string[],
  options: RunOptions,
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now();
  const pipeline = readPipeline(path, overrides);
  if (!pipeline && options.step) throw new DistillError(`${path} has no steps, so none of them can be run alone.`);
  const ran = pipeline
    ? await runSteps(pipeline, verb, options, signal, (step) => runRecipe(step, verb, path, options, signal))
    : await runRecipe(readRecipe(path, overrides), verb, path, options, signal);
  if (!ran) return console.log(STOPPED);
  const took = formatDuration((performance.now() - start) / 1000);
  console.log(ran.length > 0 ? `\nDone in ${took}.` : "\nEverything was up to date.");
}

/** The stages of one recipe that were run, or nothing where the signal ended it. */
async function runRecipe(
  recipe: Recipe,
  verb: Verb,
  recipePath: string,
  { allowModules }: RunOptions,
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  requireConsent([...(recipe.rewards ?? []), ...evaluationsOf(recipe).flatMap(rulesIn)], allowModules);
  const fetched = await fromHub(recipe, { weights: weightsFor(verb, recipe), signal });
  if (!fetched) return undefined;
  refuseOwnInputs(fetched.recipe);
  const folder = await openRunFolder(recipe.output!, recipe.name);
  try {
    const student = (await unpackStudent(fetched.recipe, folder, true))!;
    const unpacked = { ...fetched.recipe, student };
    await readAllQuestions(unpacked);
    const { context, stages, targets } = prepare({ recipe: unpacked, folder, hub: fetched.hub }, verb, recipePath);
    const following = followRun(context, stages, targets, fetched.pinned);
    let ending: "finished" | "stopped" | "failed" = "failed";
    let done: Awaited<ReturnType<typeof runStages>>;
    try {
      done = await runStages(stages, targets, {
        name: context.recipe.name,
        recipe: fetched.pinned,
        versions: versions(),
        folder,
        signal,
        onStage: announce,
      });
      ending = done.finished ? "finished" : "stopped";
      if (folder.writable && (done.ran.length > 0 || !existsSync(join(folder.path, REPORT)))) writeReport(folder);
    } finally {
      await following?.end(ending);
    }
    if (!done.finished) return undefined;
    const summary = summarise(context, done.manifest);
    if (folder.writable && done.manifest.stages.train?.finished_at && existsSync(placeOf(context, "student")))
      folder.writeFile("README.md", modelCard(context, fetched.pinned, done.manifest));
    if (evaluationsOf(recipe).some((one) => targets.includes(stageOf(one))) && summary.measurements.length > 0) {
      // of a disk that can only be read nothing but this would be missing
      if (folder.writable) folder.writeFile("evaluation/report.md", markdownReport(summary));
      console.log(`\n${terminalReport(summary)}`);
    }
    return done.ran;
  } finally {
    folder.close();
  }
}

export function announce({ name, due, reason }: StagePlan): void {
  console.log(due ? `\n${name}: ${reason}` : `${name}: up to date`);
}

function summarise({ recipe, folder }: Context, { stages }: Manifest): RunSummary {
  const output = folder.path;
  const drawn = stages.judge?.result as { drawn: number; accepted: number } | undefined;
  const rows = (stages.select?.result as { rows: number } | undefined)?.rows;
  const places = {
    ...(recipe.sampling ? { traces: join(output, "traces"), dataset: join(output, "dataset") } : {}),
    student: join(output, "student"),
    ...(recipe.export.length > 0 ? { exports: join(output, "export") } : {}),
    report: `${join(output, REPORT)}, ${join(output, "evaluation", "report.md")}`,
  };
  return {
    name: recipe.name,
    measurements: measurementsIn(evaluationsOf(recipe), stages),
    ...(drawn && rows !== undefined ? { traces: { ...drawn, rows } } : {}),
    spent: spentLines(stages.sample?.result),
    tokens: {
      sampled: stages.sample?.result?.tokens as number | undefined,
      trained: stages.train?.result?.tokens as number | undefined,
    },
    seconds: secondsOf(stages),
    places,
  };
}

/** Seconds by stage. */
export const secondsOf = (stages: Manifest["stages"]) =>
  Object.fromEntries(Object.entries(stages).map(([name, { seconds = 0 }]) => [name, seconds]));

/** What a teacher that is paid for was asked and cost, beside what was foreseen. */
function spentLines(result: Record<string, unknown> | undefined): string[] {
  const { spent, foreseen, price } = (result ?? {}) as { spent?: Spent; foreseen?: Forecast; price?: Price };
  return spent ? describeSpent(spent, price, foreseen) : [];
}
