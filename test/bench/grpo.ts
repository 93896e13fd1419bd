/**
 * @file npm run bench:grpo: steps of reinforcement by distill and by TRL's GRPOTrainer, from the same student with the same
 * prompts, in turns. The student is one that reasons, so that completions are long: --student FOLDER, or that of the quickstart.
 * Options: --rounds N, --steps N, --prompts N, --threads N.
 */

import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { stringify } from "yaml";
import { readPrompts } from "../../src/data/prompts.ts";
import { templateOf } from "../../src/data/templates.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { median } from "./median.ts";

const { values: options } = parseArgs({
  options: {
    student: { type: "string", default: "runs/quickstart/student" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "4" },
    prompts: { type: "string", default: "32" },
    threads: { type: "string", default: String(availableParallelism()) },
  },
});
const student = resolve(options.student);
const python = resolve(".venv/bin/python");
if (!existsSync(student)) throw new Error(`${student} is not there: npm run quickstart makes it, or give --student.`);
if (!existsSync(python))
  throw new Error(
    "No .venv: python -m venv .venv && .venv/bin/pip install trl==1.16.0 torch==2.9.1 transformers==5.24.0",
  );

const [rounds, steps, prompts_per_step, threads] = [
  options.rounds,
  options.steps,
  options.prompts,
  options.threads,
].map(Number) as [number, number, number, number];
const shared = { prompts_per_step, num_generations: 8, max_completion_length: 200, learning_rate: 1e-6 };
const folder = mkdtempSync(join(tmpdir(), "grpo-"));
const run = promisify(execFile);

/** Of a step. */
type Step = { seconds: number; tokens: number; sampling: number; reward: number };

/** Problems of three to five operations, as the student reads them. */
async function writePrompts(): Promise<string> {
  const source = { generate: { type: "stories", reasoned: 1, steps: [3, 5] }, rows: 4000, seed: 21 } as const;
  const tokenizer = loadTokenizer(student);
  const render = templateOf(undefined, tokenizer.template, tokenizer.folder, tokenizer.written);
  const lines = (await readPrompts(source as never, "train")).map(({ prompt, answer }) =>
    JSON.stringify({ prompt: render([{ role: "user", content: prompt }], { generate: true }), answer }),
  );
  const path = join(folder, "prompts.jsonl");
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

async function distill(round: number): Promise<Step[]> {
  const output = join(folder, `run-${round}`);
  const recipe = join(folder, `recipe-${round}.yaml`);
  const prompts = { generate: { type: "stories", reasoned: 1, steps: [3, 5] }, rows: 4000, seed: 21 };
  const trainer = {
    ...{ type: "grpo", prompts, max_steps: steps + 1, max_length: 320, per_device_train_batch_size: 4 },
    ...{ lr_scheduler_type: "constant", warmup_ratio: 0, logging_steps: 1, seed: round, ...shared },
  };
  const keys = { name: "bench", output, device: "cpu", threads, student: { path: student }, trainer };
  writeFileSync(recipe, stringify({ ...keys, rewards: [{ type: "accuracy", answer: "number" }] }));
  await run(process.execPath, [resolve(".build/src/cli.js"), "train", recipe]);
  return readFileSync(join(output, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number>)
    .map((line) => ({
      seconds: ["sampling", "judging", "scoring", "training"].reduce((sum, part) => sum + line[`seconds/${part}`]!, 0),
      tokens: line["tokens/sampled"]!,
      sampling: line["seconds/sampling"]!,
      reward: line.reward!,
    }));
}

async function trl(round: number, prompts: string): Promise<Step[]> {
  const given = { student, prompts, output: join(folder, `trl-${round}`), threads, steps: steps + 1, seed: round };
  const { stdout } = await run(python, ["test/bench/peers/grpo.py", JSON.stringify({ ...given, ...shared })], {
    env: { ...process.env, TRL_EXPERIMENTAL_SILENCE: "1", HF_HUB_OFFLINE: "1" },
    maxBuffer: 2 ** 26,
  });
  return stdout
    .split("\n")
    .filter((line) => line.startsWith('{"seconds"'))
    .map((line) => JSON.parse(line) as Step);
}

function summary(all: readonly Step[]) {
  return {
    seconds: median(all.map((step) => step.seconds)),
    tokens: median(all.map((step) => step.tokens)),
    perSecond: median(all.map(({ tokens, seconds }) => tokens / seconds)),
    sampling: median(all.map(({ tokens, sampling }) => tokens / sampling)),
    training: median(all.map(({ tokens, sampling, seconds }) => tokens / (seconds - sampling))),
    share: median(all.map(({ sampling, seconds }) => sampling / seconds)),
    reward: median(all.map((step) => step.reward)),
  };
}

const prompts = await await writePrompts();
const found: Record<"distill" | "TRL", Step[]> = { distill: [], TRL: [] };
const ratios: number[] = [];
for (let round = 1; round <= rounds; round++) {
  // the first step of each compiles and warms up
  const [ours, theirs] = [(await distill(round)).slice(1), (await trl(round, prompts)).slice(1)];
  found.distill.push(...ours);
  found.TRL.push(...theirs);
  const ratio = summary(ours).perSecond / summary(theirs).perSecond;
  ratios.push(ratio);
  console.error(
    `round ${round}: distill ${summary(ours).perSecond.toFixed(0)} tokens/s, TRL ${summary(theirs).perSecond.toFixed(0)}, ${ratio.toFixed(2)} times; load ${loadavg()[0]!.toFixed(1)}`,
  );
}
console.log(
  `${cpus()[0]!.model}, ${threads} threads; ${prompts_per_step} prompts × 8 completions a step, medians of ${rounds} × ${steps} steps\n`,
);
console.log(
  "| | s a step | tokens a step | tokens/s of the step | sampling, tokens/s | the rest, tokens/s | share of sampling | reward |\n|---|---:|---:|---:|---:|---:|---:|---:|",
);
for (const [name, all] of Object.entries(found)) {
  const s = summary(all);
  console.log(
    `| ${name} | ${s.seconds.toFixed(2)} | ${s.tokens.toFixed(0)} | ${s.perSecond.toFixed(0)} | ${s.sampling.toFixed(0)} | ${s.training.toFixed(0)} | ${(100 * s.share).toFixed(0)} % | ${s.reward.toFixed(2)} |`,
  );
}
console.log(
  `\nAt equal tokens distill takes ${median(ratios).toFixed(2)} times as many steps an hour (rounds ${ratios.map((ratio) => ratio.toFixed(2)).join(", ")}).`,
);
