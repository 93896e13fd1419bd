/** @file distill eval --model: models that are there, measured without a recipe. */

import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { componentOf } from "../core/component.ts";
import { DistillError } from "../core/errors.ts";
import { formatDuration } from "../core/progress.ts";
import { markdownReport, type RunSummary, terminalReport } from "../evaluation/report.ts";
import { withOverrides } from "../recipe/keys.ts";
import { parsed } from "../recipe/parsed.ts";
import { absolute, mapEvaluation } from "../recipe/paths.ts";
import { Evaluation, withPresets } from "../recipe/recipe.ts";
import { runStages } from "../recipe/stages.ts";
import { requireConsent } from "../rewards/consent.ts";
import { openRunFolder } from "../store/run-folder.ts";
import { teacherFor } from "../teachers/files.ts";
import * as teachers from "../teachers/index.ts";
import type { TeacherComponent } from "../teachers/teacher.ts";
import { measurementsIn } from "./measurements.ts";
import { REPORT, writeReport } from "./report.ts";
import { announce, STOPPED, secondsOf } from "./run.ts";
import { readQuestionFiles } from "./stages/context.ts";
import { measureStage, rulesIn, stageOf } from "./stages/evaluate.ts";
import { measurementsFromHub } from "./stages/hub.ts";
import { other } from "./stages/subjects.ts";
import { versions } from "./versions.ts";

export type EvalArguments = {
  model?: string[];
  preset?: string[];
  data?: string;
  output?: string;
  allowModules?: boolean;
};

type Model = Exclude<NonNullable<Evaluation["models"]>[number], string>;

/** Measure models; `overrides` are keys of an evaluation. The same command goes on where it was stopped. */
export async function evalModels(
  { model = [], preset = [], data, output, allowModules }: EvalArguments,
  overrides: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now();
  const models = named(model.map(modelOf));
  const given = (preset.length > 0 ? preset : [undefined]).map((name) => evaluationOf(models, name, data, overrides));
  requireConsent(given.flatMap(rulesIn), allowModules);
  const fetched = await measurementsFromHub(given, signal);
  if (!fetched) return console.log(STOPPED);
  const evaluations = fetched.recipe.map(withContext);
  await readQuestionFiles(evaluations.map(({ prompts }) => prompts));
  const name = `eval-${models[0]!.name}`;
  const folder = await openRunFolder(resolve(output ?? `runs/${name}`), name);
  try {
    const context = { folder, hub: fetched.hub };
    const stages = evaluations.map((evaluation) => {
      const measured = evaluation.models as Model[];
      return measureStage(context, evaluation, {
        after: [],
        inputs: () => ({}),
        chosen: () => measured.map((one) => other(context, one)),
        base: measured[0]!.name,
      });
    });
    const recipe = { name, evaluation: fetched.pinned };
    const targets = stages.map((stage) => stage.name);
    const done = await runStages(stages, targets, {
      name,
      recipe,
      versions: versions(),
      folder,
      signal,
      onStage: announce,
    });
    if (!done.finished) return console.log(STOPPED);
    const measuring = new Set(evaluations.map(stageOf));
    const seconds = Object.entries(secondsOf(done.manifest.stages)).filter(([stage]) => measuring.has(stage));
    const summary: RunSummary = {
      name,
      measurements: measurementsIn(evaluations, done.manifest.stages),
      tokens: {},
      seconds: Object.fromEntries(seconds),
      places: { report: `${join(folder.path, REPORT)}, ${folder.path}/evaluation/report.md` },
    };
    if (folder.writable) {
      folder.writeFile("evaluation/report.md", markdownReport(summary));
      writeReport(folder);
    }
    console.log(`\n${terminalReport(summary)}`);
    const took = formatDuration((performance.now() - start) / 1000);
    console.log(done.ran.length > 0 ? `\nDone in ${took}.` : "\nEverything was up to date.");
  } finally {
    folder.close();
  }
}

/** What --model names: a server's address, perhaps with #MODEL, a file, a folder, or one of them at the hub. */
function modelOf(text: string): Record<string, unknown> & { name: string } {
  const url = /^(https?:\/\/[^#]+)(?:#(.+))?$/.exec(text);
  if (url) {
    const [, base_url, model] = url as unknown as [string, string, string | undefined];
    return { name: plain(model ?? new URL(base_url).host), type: "openai", base_url, ...(model ? { model } : {}) };
  }
  const file = text.startsWith("hf:") ? /:([^:]+)$/.exec(text.slice(3))?.[1] : text;
  const isFolder = file === undefined || (existsSync(file) && statSync(file).isDirectory());
  if (!text.startsWith("hf:") && !existsSync(text))
    throw new DistillError(
      `There is no model ${text}. Expected a GGUF or ONNX file, a Hugging Face folder, hf:owner/name, or the address of a server such as http://127.0.0.1:8000/v1.`,
    );
  const path = text.startsWith("hf:") ? text : resolve(text);
  return { name: plain(basename(text.replace(/^hf:/, ""))), type: isFolder ? "engine" : teacherFor(file), path };
}

/** Letters, digits, dots, dashes and underscores, as names in reports are. */
const plain = (name: string) => name.replace(/[^\w.-]+/g, "-").replace(/^-|-$/g, "");

/** Each with a name of its own. */
function named<One extends { name: string }>(models: readonly One[]): One[] {
  if (models.length === 0) throw new DistillError("No model is named. Give one with --model, or a recipe.");
  const count = new Map<string, number>();
  return models.map((model) => {
    const before = count.get(model.name) ?? 0;
    count.set(model.name, before + 1);
    return before === 0 ? model : { ...model, name: `${model.name}-${before + 1}` };
  });
}

/** Tokens of a prompt for which there is room beside the longest answer, where the model's context is not given. */
const PROMPT_ROOM = 2048;

function evaluationOf(
  models: readonly object[],
  preset: string | undefined,
  data: string | undefined,
  overrides: readonly string[],
): Evaluation {
  const keys = {
    ...(preset === undefined ? {} : { name: preset, preset }),
    ...(data === undefined ? {} : { prompts: { path: data.startsWith("hf:") ? data : resolve(data) } }),
    models,
  };
  const own = withOverrides(keys, overrides);
  if (preset === undefined && !("prompts" in own))
    throw new DistillError(
      "Nothing says what is asked. Give --preset, such as gsm8k, or --data with a file of questions.",
    );
  const all = withPresets(own) as { max_completion_length?: number; models: Record<string, unknown>[] };
  const context_size = Number(all.max_completion_length ?? DEFAULT_LENGTH) + PROMPT_ROOM;
  const roomy = all.models.map((model) =>
    positionsOf(model.type) && model.context_size === undefined ? { ...model, context_size } : model,
  );
  const where = `What is to be measured${preset === undefined ? "" : ` by ${preset}`}`;
  return mapEvaluation(parsed(Evaluation, { ...all, models: roomy }, where), absolute(process.cwd()));
}

const DEFAULT_LENGTH = Evaluation.shape.max_completion_length.parse(undefined);

const positionsOf = (type: unknown) =>
  typeof type === "string" && type in teachers
    ? componentOf<TeacherComponent>(teachers, type, "teacher").positions
    : undefined;

/** Models with no more context than they were made for. */
const withContext = (evaluation: Evaluation): Evaluation => ({
  ...evaluation,
  models: (evaluation.models as (Model & { path?: string; context_size?: number })[]).map((model) => {
    const most = model.path === undefined ? undefined : positionsOf(model.type)?.(model.path);
    return most !== undefined && model.context_size !== undefined && model.context_size > most
      ? { ...model, context_size: most }
      : model;
  }) as Model[],
});
