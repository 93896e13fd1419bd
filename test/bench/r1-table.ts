/**
 * @file npm run bench:r1-table: recipes/r1-table.yaml with several seeds, each in a folder of its own in runs/r1-table, and what
 * they come to together: pass@1 with an interval over problems and seeds, cons@k, tokens, seconds, and the curves of
 * reinforcement. What is done is not done again. Options: --seed N (may be repeated), --write for the results' folder.
 */

import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { chart } from "../../src/core/chart.ts";
import { formatDuration } from "../../src/core/progress.ts";
import { markdownTable } from "../../src/core/table.ts";
import { readTraces } from "../../src/data/traces.ts";
import type { ModelReport } from "../../src/evaluation/evaluate.ts";
import { percent } from "../../src/evaluation/report.ts";
import { type Interval, pooled } from "./pooled.ts";

const RECIPE = "recipes/r1-table.yaml";
const { values: options } = parseArgs({
  options: {
    seed: { type: "string", multiple: true, default: ["1", "2", "3"] },
    write: { type: "boolean", default: false },
  },
});
const seeds = options.seed.map(Number);
const folderOf = (seed: number) => resolve("runs/r1-table", `seed-${seed}`);

/** Everything that a seed decides, of every step. */
const overridesOf = (seed: number) => [
  `output=${folderOf(seed)}`,
  ...["base", "grpo", "ppo", "ppo_lambda_95", "distilled", "distilled_100", "distilled_100_grpo"].map(
    (step) => `steps.${step}.trainer.seed=${seed}`,
  ),
  ...["grpo", "ppo", "ppo_lambda_95", "distilled_100_grpo"].map(
    (step) => `steps.${step}.trainer.prompts.seed=${20 + seed}`,
  ),
  ...["distilled", "distilled_100"].map((step) => `steps.${step}.sampling.seed=${seed}`),
];

async function run(seed: number): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, ["dist/cli.js", "run", RECIPE, ...overridesOf(seed)], { stdio: "inherit" });
  const code = await new Promise((done) => child.on("close", done));
  if (code !== 0) throw new Error(`The run of seed ${seed} ended with ${code}.`);
  return (performance.now() - start) / 1000;
}

type Stage = { seconds?: number; result?: Record<string, unknown> };
type Line = Record<string, number>;

const stagesIn = (seed: number, step: string): Record<string, Stage> =>
  JSON.parse(readFileSync(join(folderOf(seed), step, "manifest.json"), "utf8")).stages;

const metricsIn = (seed: number, step: string): Line[] => {
  const path = join(folderOf(seed), step, "metrics.jsonl");
  const lines = existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  return lines.map((line) => JSON.parse(line) as Line);
};

/** The share of right samples of each problem. */
function sharesOf(seed: number, step: string): number[] {
  const samples = new Map<string, number[]>();
  for (const { prompt_id, verdict } of readTraces(join(folderOf(seed), step, "evaluation", "traces", "student")))
    samples.set(prompt_id, [...(samples.get(prompt_id) ?? []), Number(verdict === "correct")]);
  return [...samples.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, right]) => average(right));
}

const average = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0) / (xs.length || 1);

const STEPS: Record<string, string> = {
  base: "base",
  grpo: "reinforced alone, GRPO",
  ppo: "reinforced alone, PPO, λ 1",
  ppo_lambda_95: "reinforced alone, PPO, λ 0.95, 40 steps",
  distilled: "distilled",
  distilled_100: "distilled from 100 traces",
  distilled_100_grpo: "distilled from 100 traces, then GRPO",
};

function rowOf(step: string): string[] {
  const all = seeds.map((seed) => stagesIn(seed, step));
  const models = all.map(({ evaluate }) => (evaluate!.result!.models as ModelReport[])[0]!);
  const pass: Interval = pooled(seeds.map((seed) => sharesOf(seed, step)));
  const mean = (of: (stages: Record<string, Stage>) => unknown) =>
    average(all.map((stages) => Number(of(stages) ?? 0)));
  const count = (tokens: number) => (tokens > 0 ? `${(tokens / 1e6).toFixed(2)} M` : "");
  const student = mean(({ train }) => train!.result!.tokens_sampled);
  const teacher = mean(({ sample }) => sample?.result?.tokens);
  const seconds = mean(({ sample, judge, select, train }) =>
    [sample, judge, select, train].reduce((sum, stage) => sum + (stage?.seconds ?? 0), 0),
  );
  return [
    STEPS[step]!,
    percent(pass.mean),
    pass.ci95.map((end) => percent(Math.max(0, end))).join(" – "),
    models.map((model) => percent(model.pass_at_1)).join(", "),
    percent(average(models.map((model) => model.cons_at_k))),
    average(models.map((model) => model.mean_tokens)).toFixed(0),
    teacher > 0 ? `${count(teacher)} by the teacher` : count(student),
    count(mean(({ train }) => train!.result!.tokens)),
    formatDuration(seconds),
  ];
}

/** Means of five steps, over the seeds. */
function curve(step: string, metric: string): [number, number][] {
  const all = seeds.map((seed) => metricsIn(seed, step).filter((line) => metric in line && "reward" in line));
  const length = Math.min(...all.map((lines) => lines.length));
  return Array.from({ length: Math.floor(length / 5) }, (_, i) => {
    const window = all.flatMap((lines) => lines.slice(5 * i, 5 * i + 5));
    return [window.at(-1)!.step!, average(window.map((line) => line[metric]!))];
  });
}

const took: number[] = [];
for (const seed of seeds) {
  const load = loadavg()[0]!;
  const seconds = await run(seed);
  took.push(seconds);
  console.error(
    `Seed ${seed} took ${formatDuration(seconds)}; the load was ${load.toFixed(1)} before and ${loadavg()[0]!.toFixed(1)} after.`,
  );
}

const header = [
  "",
  "pass@1",
  "95 % interval",
  "by seed",
  "cons@4",
  "length",
  "tokens sampled",
  "tokens trained",
  "time",
];
const table = markdownTable(header, Object.keys(STEPS).map(rowOf));
const lines = (metric: string) =>
  (["grpo", "ppo", "ppo_lambda_95"] as const).map((step) => ({
    label: STEPS[step]!.replace("reinforced alone, ", ""),
    points: curve(step, metric),
  }));
const picture = chart(
  [
    { title: "right answers, of fresh problems at T 1", lines: lines("rewards/accuracy") },
    { title: "tokens of a completion", lines: lines("completions/mean_length") },
  ],
  "step of 256 completions; means of 5 steps",
);
const machine = `${cpus().length} cores of ${cpus()[0]!.model}, Node ${process.versions.node}; seeds ${seeds.join(", ")}`;
console.log(`\n${machine}\n\n${table}`);
if (options.write) {
  const name = `test/bench/results/r1-table-${new Date().toISOString().slice(0, 10)}`;
  writeFileSync(`${name}.svg`, picture);
  writeFileSync(
    `${name}.md`,
    `# Table 6 in miniature\n\n\`npm run bench:r1-table -- --write\`. ${machine}. Runs took ${took.map(formatDuration).join(", ")} (less where a part was there).\n\n${table}\n\n![right answers and length, by step](${name.split("/").at(-1)}.svg)\n`,
  );
  console.log(`\n${name}.md and ${name}.svg were written.`);
}
