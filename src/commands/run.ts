/** @file distill run, sample, train, export and eval: the stages of a recipe, as far as they are asked for and due. */

import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { formatDuration } from "../core/progress.ts";
import type { ModelReport } from "../evaluation/evaluate.ts";
import { markdownReport, type RunSummary, terminalReport } from "../evaluation/report.ts";
import { readPipeline } from "../recipe/pipeline.ts";
import { mapPaths, type Recipe, readRecipe } from "../recipe/recipe.ts";
import { type Manifest, planStages, readManifest, runStages, type Stage, type StagePlan } from "../recipe/stages.ts";
import { requireConsent } from "../rewards/consent.ts";
import { openRunFolder } from "../store/run-folder.ts";
import { unpackStudent, withStudentFolder } from "../student/unpack.ts";
import { type Actual, describeComparison, describeEstimate, type TrainingEstimate } from "../trainers/estimate.ts";
import { planSteps, runSteps } from "./pipeline.ts";
import { type Context, NAMES, questions, trainerOf } from "./stages/context.ts";
import { evaluateStage } from "./stages/evaluate.ts";
import { exportStage } from "./stages/export.ts";
import { fromHub } from "./stages/hub.ts";
import { judgeStage } from "./stages/judge.ts";
import { logprobsStage } from "./stages/logprobs.ts";
import { sampleStage } from "./stages/sample.ts";
import { selectStage } from "./stages/select.ts";
import { foreseeTraining, trainStage } from "./stages/train.ts";
import { versions } from "./versions.ts";

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
function weightsFor(verb: Verb | "plan", { student }: Recipe): ("student" | "teacher")[] {
  const merged = "path" in student && student.adapter !== undefined;
  if (verb === "plan") return merged ? ["student"] : [];
  return verb === "sample" && !merged ? ["teacher"] : ["student", "teacher"];
}

/** The stages that a recipe has, each behind those that it reads from. */
function stagesOf(context: Context): Stage[] {
  const { sampling, evaluation, ...recipe } = context.recipe;
  return [
    ...(sampling ? [sampleStage(context), judgeStage(context), selectStage(context)] : []),
    ...(trainerOf(context.recipe).teacher === "logprobs" ? [logprobsStage(context)] : []),
    trainStage(context),
    ...(recipe.export.length > 0 ? [exportStage(context)] : []),
    ...(evaluation ? [evaluateStage(context)] : []),
  ];
}

const STOPPED = "Stopped. The same command continues from there.";

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
  requireConsent(recipe.rewards ?? [], allowModules);
  const fetched = await fromHub(recipe, { weights: weightsFor(verb, recipe), signal });
  if (!fetched) return undefined;
  refuseOwnInputs(fetched.recipe);
  const folder = await openRunFolder(recipe.output!, recipe.name);
  try {
    const student = (await unpackStudent(fetched.recipe, folder, true))!;
    const unpacked = { ...fetched.recipe, student };
    const { context, stages, targets } = prepare({ recipe: unpacked, folder, hub: fetched.hub }, verb, recipePath);
    const done = await runStages(stages, targets, {
      name: context.recipe.name,
      recipe: fetched.pinned,
      versions: versions(),
      folder,
      signal,
      onStage: announce,
    });
    if (!done.finished) return undefined;
    const summary = summarise(context, done.manifest);
    if (targets.includes("evaluate") && summary.models.length > 0) {
      // of a disk that can only be read nothing but this would be missing
      if (folder.writable) folder.writeFile("evaluation/report.md", markdownReport(summary));
      console.log(`\n${terminalReport(summary)}`);
    }
    return done.ran;
  } finally {
    folder.close();
  }
}

/** distill plan: what a run would do, and why. Nothing is done. */
export async function plan(path: string, overrides: readonly string[], signal: AbortSignal): Promise<void> {
  const pipeline = readPipeline(path, overrides);
  if (pipeline) await planSteps(pipeline, (step) => planRecipe(step, path, signal));
  else await planRecipe(readRecipe(path, overrides), path, signal);
}

/** Whether anything of one recipe is due. */
async function planRecipe(recipe: Recipe, recipePath: string, signal: AbortSignal): Promise<boolean> {
  const fetched = await fromHub(recipe, { weights: weightsFor("plan", recipe), signal });
  if (!fetched) return false;
  refuseOwnInputs(fetched.recipe);
  const { student, folder, close } = await withStudentFolder(fetched.recipe, recipe.output!, recipe.name);
  try {
    const unpacked = { ...fetched.recipe, student };
    const { context, stages, targets } = prepare({ recipe: unpacked, folder, hub: fetched.hub }, "run", recipePath);
    const manifest = readManifest(folder);
    const planned = planStages(stages, targets, manifest, folder);
    for (const { name, due, reason } of planned)
      console.log(`${name.padEnd(9)} ${due ? "runs" : "up to date"}${due ? `: ${reason}` : ""}`);
    for (const line of await foreseen(context, manifest, signal)) console.log(line);
    return planned.some(({ due }) => due);
  } finally {
    close();
  }
}

/** What a run reads from is not what it writes: a student is never its own base. */
function refuseOwnInputs(recipe: Recipe): void {
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

/** What the work will be, as far as it can be said before; and what it was, where it is done. */
async function foreseen(context: Context, manifest: Manifest | undefined, signal: AbortSignal): Promise<string[]> {
  const { recipe } = context;
  const lines: string[] = [];
  if (recipe.sampling) {
    const { prompts, num_generations, max_completion_length } = recipe.sampling;
    const asked = questions(prompts, "train").length;
    lines.push(
      "",
      `Sampling: ${asked} prompts, at most ${asked * num_generations} completions of at most ${max_completion_length} tokens.`,
    );
  }
  const later =
    trainerOf(recipe).needs === "prompts"
      ? "the student writes what it learns from, so the time is not foreseen; memory is, once the run begins."
      : "foreseen once the traces are there.";
  const estimate = await foreseeTraining(context, signal);
  const [first, ...rest] = estimate ? describeEstimate(estimate) : [later];
  lines.push("", `Training: ${first}`, ...rest);
  const { predicted, actual } = (manifest?.stages.train?.result ?? {}) as {
    predicted?: TrainingEstimate;
    actual?: Actual;
  };
  if (predicted && actual && actual.steps > 0)
    lines.push(`Last time it took ${describeComparison(predicted, actual)}.`);
  return lines;
}

function prepare(context: Context, verb: Verb, path: string) {
  const stages = stagesOf(context);
  const has = (name: string) => stages.some((stage) => stage.name === name);
  const targets = TARGETS[verb].filter(has);
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

function announce({ name, due, reason }: StagePlan): void {
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
    report: join(output, "evaluation", "report.md"),
  };
  return {
    name: recipe.name,
    models: (stages.evaluate?.result?.models ?? []) as ModelReport[],
    ...(drawn && rows !== undefined ? { traces: { ...drawn, rows } } : {}),
    tokens: {
      sampled: stages.sample?.result?.tokens as number | undefined,
      trained: stages.train?.result?.tokens as number | undefined,
    },
    seconds: Object.fromEntries(Object.entries(stages).map(([name, { seconds = 0 }]) => [name, seconds])),
    places,
  };
}
