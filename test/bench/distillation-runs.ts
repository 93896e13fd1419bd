/** @file Runs of the CLI that continue where they were, with the processor seconds that each of their verbs took. */

import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const PLACE = resolve("runs/stories-table");
export const folderOf = (name: string) => join(PLACE, name);

export type Verb = "sample" | "train" | "eval";
export type Run = { name: string; overrides: string[]; verbs: Verb[]; traces?: number };

type Stage = { key: string; started_at: string; seconds: number; result: Record<string, unknown> };
export type Stages = Partial<Record<"sample" | "select" | "logprobs" | "train" | "evaluate", Stage>>;

export const readJson = <Read>(path: string, otherwise: Read): Read =>
  existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : otherwise;
export const stagesIn = (name: string) =>
  readJson<{ stages: Stages }>(join(folderOf(name), "manifest.json"), { stages: {} }).stages;

/** Processor seconds of what a verb did, by run: those of a command that was stopped and of the one that went on with it. */
export type Spent = Record<string, Partial<Record<Verb, { key: string; started_at: string; cpu_s: number }>>>;
const SPENT = join(PLACE, "cpu.json");
export const spentSoFar = () => readJson<Spent>(SPENT, {});
const LAST = { sample: "sample", train: "train", eval: "evaluate" } as const;
const PRELOAD = join(PLACE, "reports.cjs");
const REPORTS = `if (require("node:worker_threads").isMainThread)
  process.on("exit", () => {
    const { user, system } = process.cpuUsage();
    require("node:fs").writeSync(3, String((user + system) / 1e6));
  });
`;

/** Do a verb of the CLI for a run, as far as it is due; the run's log is beside its folder. */
export async function perform(verb: Verb, recipe: string, { name, overrides }: Run): Promise<void> {
  mkdirSync(PLACE, { recursive: true });
  writeFileSync(PRELOAD, REPORTS);
  const log = join(PLACE, `${name}.log`);
  const all = [`output=${folderOf(name)}`, ...overrides];
  const child = spawn(process.execPath, ["--require", PRELOAD, "dist/cli.js", verb, recipe, ...all], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let cpu_s = 0;
  for (const said of [child.stdout!, child.stderr!]) said.on("data", (text: Buffer) => appendFileSync(log, text));
  child.stdio[3]!.on("data", (text: Buffer) => {
    cpu_s = Number(text.toString());
  });
  const code = await new Promise((done) => child.on("close", done));
  const stage = stagesIn(name)[LAST[verb]];
  const spent = spentSoFar();
  const before = spent[name]?.[verb];
  if (stage && stage.started_at !== before?.started_at) {
    const { key, started_at } = stage;
    const sum = cpu_s + (before?.key === key ? before.cpu_s : 0);
    spent[name] = { ...spent[name], [verb]: { key, started_at, cpu_s: sum } };
    writeFileSync(SPENT, `${JSON.stringify(spent, null, 1)}\n`);
  }
  if (code !== 0) throw new Error(`distill ${verb} ${recipe} ${all.join(" ")} ended with ${code}; ${log} says why.`);
}
