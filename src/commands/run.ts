/** @file distill run, sample, train, export and eval: the stages of a recipe, as far as they are asked for and due. */

import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { writeWhole } from "../core/files.ts";
import { fileHashes } from "../core/hash.ts";
import { formatDuration } from "../core/progress.ts";
import { readPrompts } from "../data/prompts.ts";
import type { ModelReport } from "../evaluation/evaluate.ts";
import { markdownReport, type RunSummary, terminalReport } from "../evaluation/report.ts";
import { type Recipe, readRecipe } from "../recipe/recipe.ts";
import { type Manifest, planStages, readManifest, runStages, type Stage, type StagePlan } from "../recipe/stages.ts";
import { type Actual, describeComparison, describeEstimate, type TrainingEstimate } from "../trainers/estimate.ts";
import type { Context } from "./stages/context.ts";
import { evaluateStage } from "./stages/evaluate.ts";
import { exportStage } from "./stages/export.ts";
import { type FromHub, fromHub } from "./stages/hub.ts";
import { judgeStage } from "./stages/judge.ts";
import { sampleStage } from "./stages/sample.ts";
import { selectStage } from "./stages/select.ts";
import { foreseeTraining, trainStage } from "./stages/train.ts";
import { withStudentFolder } from "./stages/unpack.ts";
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
    trainStage(context),
    ...(recipe.export.length > 0 ? [exportStage(context)] : []),
    ...(evaluation ? [evaluateStage(context)] : []),
  ];
}

const STOPPED = "Stopped. The same command continues from there.";

export async function run(
  verb: Verb,
  recipePath: string,
  overrides: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now();
  const recipe = readRecipe(recipePath, overrides);
  const fetched = await fromHub(recipe, { weights: weightsFor(verb, recipe), signal });
  if (!fetched) return console.log(STOPPED);
  const { context, stages, targets } = await prepare(fetched, verb, recipePath);
  const { manifest, finished, ran } = await runStages(stages, targets, {
    name: context.recipe.name,
    recipe: fetched.pinned,
    versions: versions(),
    output: context.output,
    signal,
    onStage: announce,
  });
  if (!finished) return console.log(STOPPED);
  const summary = summarise(context, manifest);
  if (targets.includes("evaluate") && summary.models.length > 0) {
    writeWhole(join(context.output, "evaluation", "report.md"), markdownReport(summary));
    console.log(`\n${terminalReport(summary)}`);
  }
  const took = formatDuration((performance.now() - start) / 1000);
  console.log(ran.length > 0 ? `\nDone in ${took}.` : "\nEverything was up to date.");
}

/** distill plan: what a run would do, and why. Nothing is done. */
export async function plan(recipePath: string, overrides: readonly string[], signal: AbortSignal): Promise<void> {
  const recipe = readRecipe(recipePath, overrides);
  const fetched = await fromHub(recipe, { weights: weightsFor("plan", recipe), signal });
  if (!fetched) return;
  const { context, stages, targets } = await prepare(fetched, "run", recipePath);
  for (const { name, due, reason } of planStages(stages, targets, readManifest(context.output, context.recipe.name)))
    console.log(`${name.padEnd(9)} ${due ? "runs" : "up to date"}${due ? `: ${reason}` : ""}`);
  for (const line of await foreseen(context, signal)) console.log(line);
}

/** What the work will be, as far as it can be said before; and what it was, where it is done. */
async function foreseen(context: Context, signal: AbortSignal): Promise<string[]> {
  const { recipe, output } = context;
  const lines: string[] = [];
  if (recipe.sampling) {
    const { prompts, num_generations, max_completion_length } = recipe.sampling;
    const asked = readPrompts(prompts, "train").length;
    lines.push(
      "",
      `Sampling: ${asked} prompts, at most ${asked * num_generations} completions of at most ${max_completion_length} tokens.`,
    );
  }
  const estimate = await foreseeTraining(context, signal);
  const [first, ...rest] = estimate ? describeEstimate(estimate) : ["foreseen once the traces are there."];
  lines.push("", `Training: ${first}`, ...rest);
  const { predicted, actual } = (readManifest(output, recipe.name)?.stages.train?.result ?? {}) as {
    predicted?: TrainingEstimate;
    actual?: Actual;
  };
  if (predicted && actual && actual.steps > 0)
    lines.push(`Last time it took ${describeComparison(predicted, actual)}.`);
  return lines;
}

async function prepare(fetched: FromHub, verb: Verb, path: string) {
  const recipe = await withStudentFolder(fetched.recipe);
  const output = recipe.output!;
  const context: Context = { recipe, output, hashes: fileHashes(join(output, "hashes.json")), hub: fetched.hub };
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

function summarise({ recipe, output }: Context, { stages }: Manifest): RunSummary {
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
