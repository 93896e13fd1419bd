/**
 * @file npm run bench:distillation: what the quickstart's student learns from N accepted traces by sft and by kd, and by gkd
 * from the smallest of those students, against the teacher's tokens that it took. Every run is a command of the CLI on
 * recipes/stories-table.yaml in a folder of its own in runs/stories-table; what is done is not done again.
 * Options: --seed N, --size N (may be repeated; then nothing is written to the results).
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readTraces } from "../../src/data/traces.ts";
import type { ModelReport } from "../../src/evaluation/evaluate.ts";
import { picture } from "./distillation-picture.ts";
import { folderOf, perform, type Run, readJson, type Stages, spentSoFar, stagesIn } from "./distillation-runs.ts";
import { type Interval, pooled } from "./pooled.ts";

const RECIPE = "recipes/stories-table.yaml";

/** Passes over N traces, the same for sft and kd: few traces need more of them. */
const EPOCHS: Record<number, number> = { 100: 20, 300: 10, 1000: 5 };
/** The best of the few that were tried on one seed; what they are hardly matters, the results say. */
const KD = ["trainer.type=kd", "trainer.top_logprobs=16", "trainer.alpha=0.5"];
const GKD = [
  "trainer.type=gkd",
  "trainer.prompts_per_step=32",
  "trainer.lmbda=1",
  "trainer.beta=0.5",
  "trainer.temperature=1",
  "trainer.max_new_tokens=220",
  "trainer.learning_rate=3.0e-4",
  "trainer.logging_steps=1",
];
/** Steps of gkd, each with a schedule of its own. */
const STEPS = [20, 40, 100];

const ALL_SEEDS = [1, 2, 3];

const { values: options } = parseArgs({
  options: {
    seed: { type: "string", multiple: true, default: ALL_SEEDS.map(String) },
    size: { type: "string", multiple: true, default: Object.keys(EPOCHS) },
  },
});
const seeds = options.seed.map(Number);
const sizes = options.size.map(Number);

const problems = (rows: number, seed: number) =>
  `{ generate: { type: stories, reasoned: 1, steps: [3, 5] }, rows: ${rows}, seed: ${seed} }`;
const nameOf = (method: string, size: number, seed: number) => `${method}-${size}-seed-${seed}`;
const [smallest] = Object.keys(EPOCHS).map(Number) as [number];

/** base and teacher are the same for all runs. */
const measuresAll = (size: number, seed: number) => size === smallest && seed === ALL_SEEDS[0];

/** The traces of a size are the first of those of the next; the problems of another seed are others. */
function sft(size: number, seed: number): Run {
  const overrides = [
    `sampling.prompts=${problems(Math.ceil(1.05 * size), seed)}`,
    `sampling.seed=${seed}`,
    `selection.max_rows=${size}`,
    `trainer.num_train_epochs=${EPOCHS[size]}`,
    `evaluation.models=${measuresAll(size, seed) ? "[base, teacher, student]" : "[student]"}`,
  ];
  return { name: nameOf("sft", size, seed), overrides, verbs: ["sample", "train", "eval"], traces: size };
}

const kd = (size: number, seed: number): Run => ({
  name: nameOf("kd", size, seed),
  overrides: [
    "sampling=null",
    `dataset.path=${folderOf(nameOf("sft", size, seed))}/dataset`,
    `trainer.num_train_epochs=${EPOCHS[size]}`,
    ...KD,
  ],
  verbs: ["train", "eval"],
});

const gkd = (steps: number, seed: number): Run => ({
  name: nameOf("gkd", steps, seed),
  overrides: [
    "sampling=null",
    `student.path=${folderOf(nameOf("sft", smallest, seed))}/student`,
    `trainer.prompts=${problems(32 * Math.max(...STEPS), 100 + seed)}`,
    `trainer.max_steps=${steps}`,
    ...GKD,
  ],
  verbs: ["train", "eval"],
});

async function runAll(runs: readonly { run: Run; seed: number }[]): Promise<void> {
  process.once("SIGINT", () => {}); // the command that is under way stops, and what it took is kept
  for (const [i, { run, seed }] of runs.entries()) {
    const overrides = [`trainer.seed=${seed}`, `evaluation.seed=${seed}`, ...run.overrides];
    for (const verb of run.verbs) await perform(verb, RECIPE, { ...run, overrides });
    const rows = stagesIn(run.name).select?.result.rows as number | undefined;
    if (rows !== undefined && rows !== run.traces) throw new Error(`${run.name} has ${rows} traces.`);
    const { pass_at_1 } = reportOf(run.name, "student");
    console.log(
      `${i + 1}/${runs.length} ${run.name}: ${percent(pass_at_1)}, load ${loadavg()
        .map((load) => load.toFixed(1))
        .join(" ")}`,
    );
  }
}

function reportOf(name: string, model: string): ModelReport {
  const { models } = readJson<{ models: ModelReport[] }>(join(folderOf(name), "evaluation/report.json"), {
    models: [],
  });
  const report = models.find((one) => one.name === model);
  if (!report) throw new Error(`${folderOf(name)} has no report of ${model}.`);
  return report;
}

/** The share of right samples of each problem, in one order of problems. */
function sharesOf(name: string, model: string): number[] {
  const verdicts = new Map<string, number[]>();
  for (const { prompt_id, verdict } of readTraces(join(folderOf(name), "evaluation/traces", model)))
    verdicts.set(prompt_id, [...(verdicts.get(prompt_id) ?? []), Number(verdict === "correct")]);
  return [...verdicts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, right]) => right.reduce((a, b) => a + b, 0) / right.length);
}

type Row = {
  label: string;
  method: string;
  pass: Interval;
  of_seeds: number[];
  gain?: Interval & { over: string };
  /** What it took, the mean over seeds; with what it started from. */
  took: { generated: number; scored: number; sampled: number; trained: number; sampling: number; training: number };
};

/** The runs of a row, by seed: the one whose student it is, the one that sampled for it, those that trained that student. */
type Names = { student: string; sampled: string; trained: string[]; over?: string };

function rowOf(label: string, method: string, over: string, namesOf: (seed: number) => Names): Row {
  const spent = spentSoFar();
  const names = seeds.map(namesOf);
  const shares = names.map(({ student }) => sharesOf(student, "student"));
  const gains = names.flatMap(({ over }, i) => {
    const before = over === undefined ? [] : sharesOf(over, "student");
    return over === undefined ? [] : [shares[i]!.map((share, problem) => share - before[problem]!)];
  });
  const total = (of: (run: string) => unknown, runs: (names: Names) => string[]) =>
    mean(names.map((one) => runs(one).reduce((sum, run) => sum + ((of(run) as number | undefined) ?? 0), 0)));
  const result = (stage: keyof Stages, key: string) => (run: string) => stagesIn(run)[stage]?.result[key];
  const sampler = ({ sampled }: Names) => [sampled];
  const trainers = ({ trained }: Names) => trained;
  return {
    label,
    method,
    pass: pooled(shares),
    of_seeds: shares.map(mean),
    ...(gains.length > 0 ? { gain: { ...pooled(gains), over } } : {}),
    took: {
      generated: total(result("sample", "tokens"), sampler),
      scored: total(result("logprobs", "tokens_scored"), trainers) + total(rolloutTokens, trainers),
      sampled: total(rolloutTokens, trainers),
      trained: total(result("train", "tokens"), trainers),
      sampling: total((run) => spent[run]?.sample?.cpu_s, sampler),
      training: total((run) => spent[run]?.train?.cpu_s, trainers),
    },
  };
}

/** Tokens that the student wrote while it was trained, every one of which the teacher beside it reads. */
function rolloutTokens(name: string): number {
  if (!name.startsWith("gkd")) return 0;
  const lines = readFileSync(join(folderOf(name), "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  return lines.reduce((sum, line) => sum + (JSON.parse(line) as { supervised: number }).supervised, 0);
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const points = (share: number) => `${share < 0 ? "−" : "+"}${Math.abs(100 * share).toFixed(1)}`;
const thousands = (count: number) => (count === 0 ? "0" : `${Math.round(count / 1000).toLocaleString("en-GB")} k`);

function table(rows: readonly Row[]): string {
  const head =
    "| student | pass@1 | 95 % interval | each seed | gain | teacher wrote | teacher scored | student wrote | trained on | sampling | training |";
  const line = ({ label, pass, of_seeds, gain, took }: Row) =>
    [
      label,
      percent(pass.mean),
      pass.ci95.map((end) => (100 * end).toFixed(1)).join(" – "),
      of_seeds.map((share) => (100 * share).toFixed(1)).join(", "),
      gain ? `${points(gain.mean)} (${gain.ci95.map(points).join(" – ")}) over ${gain.over}` : "",
      ...[took.generated, took.scored, took.sampled, took.trained].map(thousands),
      `${took.sampling.toFixed(0)} s`,
      `${took.training.toFixed(0)} s`,
    ].join(" | ");
  return [head, `|---|${"---:|".repeat(10)}`, ...rows.map((row) => `| ${line(row)} |`)].join("\n");
}

const runs = seeds.flatMap((seed) => [
  ...sizes.flatMap((size) => [sft(size, seed), kd(size, seed)].map((run) => ({ run, seed }))),
  ...(sizes.includes(smallest) ? STEPS : []).map((steps) => ({ run: gkd(steps, seed), seed })),
]);
await runAll(runs);

const rows = [
  ...sizes.flatMap((size) => [
    rowOf(`sft, ${size.toLocaleString("en-GB")} traces`, "sft", "", (seed) => {
      const name = nameOf("sft", size, seed);
      return { student: name, sampled: name, trained: [name] };
    }),
    rowOf(`kd, ${size.toLocaleString("en-GB")} traces`, "kd", "sft on them", (seed) => {
      const [student, over] = [nameOf("kd", size, seed), nameOf("sft", size, seed)];
      return { student, sampled: over, trained: [student], over };
    }),
  ]),
  ...(sizes.includes(smallest) ? STEPS : []).map((steps) =>
    rowOf(`sft, ${smallest} traces, then gkd, ${steps} steps`, "gkd", `sft, ${smallest}`, (seed) => {
      const [student, over] = [nameOf("gkd", steps, seed), nameOf("sft", smallest, seed)];
      return { student, sampled: over, trained: [over, student], over };
    }),
  ),
];
const beside =
  sizes.includes(smallest) && seeds.includes(ALL_SEEDS[0]!)
    ? ["base", "teacher"].map((model) => ({
        model,
        pass: pooled([sharesOf(nameOf("sft", smallest, ALL_SEEDS[0]!), model)]),
      }))
    : [];
const measured = [
  table(rows),
  beside
    .map(
      ({ model, pass }) =>
        `${model} ${percent(pass.mean)} (${pass.ci95.map((end) => (100 * end).toFixed(1)).join(" – ")})`,
    )
    .join(", "),
  `${availableParallelism()} × ${cpus()[0]!.model.trim()}; load at the end ${loadavg()
    .map((load) => load.toFixed(1))
    .join(" ")}`,
].join("\n\n");
console.log(`\n${measured}`);
if (seeds.length === ALL_SEEDS.length && sizes.length === Object.keys(EPOCHS).length) publish(measured);

/** The tables and the picture, in the results of today; what stands around the tables stays. */
function publish(measured: string): void {
  const path = `test/bench/results/distillation-${new Date().toISOString().slice(0, 10)}`;
  const [begin, end] = ["<!-- made by npm run bench:distillation -->", "<!-- end -->"];
  const text = existsSync(`${path}.md`) ? readFileSync(`${path}.md`, "utf8") : `${begin}${end}\n`;
  const [before, after] = [text.split(begin)[0], text.split(end)[1]];
  if (before === undefined || after === undefined) throw new Error(`${path}.md has no place for the tables.`);
  writeFileSync(`${path}.md`, `${before}${begin}\n${measured}\n${end}${after}`);
  const lines = beside.map(({ model, pass }) => ({ label: model, share: pass.mean }));
  const dots = rows.map(({ label, method, pass, took }) => ({
    label,
    method,
    pass,
    tokens: took.generated + took.scored,
  }));
  writeFileSync(`${path}.svg`, picture(dots, lines));
}
