/** @file The steps of a pipeline, one recipe after the other, and the table that compares what they leave. */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { makeFolder, requireOwn, writeOver } from "../core/files.ts";
import { isMarked, marked } from "../core/marked.ts";
import { formatDuration } from "../core/progress.ts";
import { alignedTable, markdownTable } from "../core/table.ts";
import type { ModelReport } from "../evaluation/evaluate.ts";
import { furtherRules, mean, percent } from "../evaluation/report.ts";
import { mapPaths } from "../recipe/paths.ts";
import { type Pipeline, type PipelineStep, stepNamed } from "../recipe/pipeline.ts";
import { evaluationsOf, type Recipe } from "../recipe/recipe.ts";
import { readManifest } from "../recipe/stages.ts";
import { readRunFolder } from "../store/run-folder.ts";
import { measurementsIn } from "./measurements.ts";
import type { Verb } from "./prepare.ts";
import { runsIn } from "./report/found.ts";
import { reportPage } from "./report/page.ts";
import { REPORT, requirePage, writePage } from "./report.ts";
import type { RunOptions } from "./run.ts";
import { stageOf } from "./stages/evaluate.ts";

const TABLE = "table.md";

/** Whether it is such a table as it was written; those of earlier versions have no mark that would say so. */
const isTable = (content: Uint8Array): boolean => {
  const text = Buffer.from(content).toString("utf8");
  return isMarked(text) ?? /^# [\w.-]+\n\n(## .*\n\n)?\| *step *\|/.test(text);
};

/** Run the steps, or one of them, and print the table. What was run, by step; nothing where the signal ended it. */
export async function runSteps(
  pipeline: Pipeline,
  verb: Verb,
  { step: only }: RunOptions,
  signal: AbortSignal,
  run: (recipe: Recipe) => Promise<readonly string[] | undefined>,
): Promise<readonly string[] | undefined> {
  const steps = only === undefined ? pipeline.steps : [stepNamed(pipeline, only)];
  requirePage(join(pipeline.output, REPORT));
  requireOwn(join(pipeline.output, TABLE), "a table", isTable);
  const ran: string[] = [];
  for (const step of steps) {
    console.log(
      `${ran.length > 0 ? "\n" : ""}Step ${step.name}${step.after.length > 0 ? `, after ${step.after.join(" and ")}` : ""}`,
    );
    requireRead(pipeline, step);
    const done = await run(step.recipe);
    if (!done) return undefined;
    ran.push(...done.map((stage) => `${step.name}.${stage}`));
    if (signal.aborted) return undefined;
  }
  if (verb === "run" || verb === "eval") printTable(pipeline);
  if (ran.length > 0) writePage(join(pipeline.output, REPORT), reportPage(runsIn(pipeline.output)));
  return ran;
}

/** What each step would do: of a step whose predecessors have work to do, that it waits. */
export async function planSteps(pipeline: Pipeline, plan: (recipe: Recipe) => Promise<boolean>): Promise<void> {
  const due = new Set<string>();
  for (const step of pipeline.steps) {
    const waits = step.after.filter((before) => due.has(before));
    console.log(
      `${due.size > 0 || step !== pipeline.steps[0] ? "\n" : ""}Step ${step.name}${step.after.length > 0 ? `, after ${step.after.join(" and ")}` : ""}`,
    );
    if (waits.length > 0) {
      console.log(`runs once ${waits.join(" and ")} ${waits.length > 1 ? "have" : "has"} run`);
      due.add(step.name);
    } else if (await plan(step.recipe)) due.add(step.name);
  }
}

/** Throw where a step reads what an earlier one has not left. */
function requireRead({ output }: Pipeline, { name, recipe, after }: PipelineStep): void {
  mapPaths(recipe, (path) => {
    const from = after.find((before) => path.startsWith(`${join(output, before)}/`));
    if (from && !existsSync(path))
      throw new DistillError(
        `Step ${name} reads ${path}, which step ${from} has not left. Run ${from} first, or look whether its recipe makes that.`,
      );
    return path;
  });
}

/** The student of each step on the same problems, and what it started from: what it cost, and what it can do. */
function printTable({ name, output, steps }: Pipeline): void {
  const names = [...new Set(steps.flatMap(({ recipe }) => evaluationsOf(recipe).map((one) => one.name)))];
  const tables = names.flatMap((measurement) => tableOf(steps, measurement));
  if (tables.length === 0) return;
  for (const { title, header, rows } of tables)
    console.log(`\n${[...(title ? [title] : []), ...alignedTable(header, rows)].join("\n")}`);
  makeFolder(output);
  const path = join(output, TABLE);
  const said = tables.map(
    ({ title, header, rows }) => `${title ? `## ${title}\n\n` : ""}${markdownTable(header, rows)}\n`,
  );
  writeOver(path, marked(`# ${name}\n\n${said.join("\n")}\n`), "a table", isTable);
  console.log(`\nThe table is in ${path}.`);
}

type Table = { title: string | undefined; header: string[]; rows: string[][] };

/** Of one measurement; nothing where no step has it. */
function tableOf(steps: Pipeline["steps"], measurement: string | undefined): Table[] {
  const bases = new Set<string>();
  const reports = steps.map((step) => {
    const { recipe } = step;
    const stages = readManifest(readRunFolder(recipe.output!, recipe.name))?.stages ?? {};
    const models = measurementsIn([{ name: measurement }], stages).flatMap((one) => one.models);
    const start = "path" in recipe.student ? recipe.student.path : "";
    const first = !bases.has(start) && !steps.some(({ recipe }) => start.startsWith(`${recipe.output}/`));
    bases.add(start);
    const base = first ? models.find(({ name }) => name === "base") : undefined;
    return { step, stages, start: basename(start), base, student: models.find(({ name }) => name === "student") };
  });
  const rules = furtherRules(reports.flatMap(({ base, student }) => [base, student].filter((model) => !!model)));
  const measured = (model: ModelReport) => [
    percent(model.pass_at_1),
    model.pass_at_1_ci95.map(percent).join(" – "),
    percent(model.cons_at_k),
    ...rules.map((rule) => mean(model.rewards?.[rule])),
    model.mean_tokens.toFixed(0),
  ];
  const tokens = (value: unknown) => (typeof value === "number" && value > 0 ? value.toLocaleString("en-US") : "");
  const rows = reports.flatMap(({ step, stages: all, start, base, student }) => {
    const { sample, train } = all;
    const sampled = Number(sample?.result?.tokens ?? 0) + Number(train?.result?.tokens_sampled ?? 0);
    const measuring = new Set(evaluationsOf(step.recipe).map(stageOf));
    const took = Object.entries(all).reduce(
      (sum, [name, { seconds = 0 }]) => sum + (measuring.has(name) ? 0 : seconds),
      0,
    );
    const cost = [tokens(sampled), tokens(train?.result?.tokens), formatDuration(took)];
    return [
      ...(base ? [[`(${start})`, ...measured(base), "", "", ""]] : []),
      ...(student ? [[step.name, ...measured(student), ...cost]] : []),
    ];
  });
  if (rows.length === 0) return [];
  const header = ["step", "pass@1", "95 % interval", "cons@k", ...rules, "length"];
  header.push("tokens sampled", "tokens trained", "time");
  return [{ title: measurement, header, rows }];
}
