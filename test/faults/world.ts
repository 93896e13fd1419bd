/** @file A small run with every stage, what it must come to, and how far a run's folder is from that. */

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { readLedger } from "../../src/data/ledger.ts";
import { type Draw, readTraces, rowsIn } from "../../src/data/traces.ts";
import { COMMAND, distill } from "../support/cli.ts";

const MODELS = resolve("data/models");
const STORIES = resolve("data/stories");

export type World = { folder: string; recipe: string; output: string };

/** The recipe in a folder of its own; `changes` are of its sampling and its trainer. */
export function makeWorld(sampling: Record<string, unknown> = {}, trainer: Record<string, unknown> = {}): World {
  const folder = mkdtempSync(join(tmpdir(), "faults-"));
  const output = join(folder, "run");
  const recipe = join(folder, "recipe.yaml");
  writeFileSync(
    recipe,
    stringify({
      name: "faults",
      output,
      device: "cpu",
      threads: 1,
      teacher: {
        type: "llama_cpp",
        path: join(MODELS, "stories-teacher-q8_0.gguf"),
        sequences: 4,
        context_size: 384,
        gpu: false,
        threads: 1,
      },
      student: { path: join(MODELS, "stories-base") },
      sampling: {
        prompts: { path: join(STORIES, "train.jsonl"), limit: 6 },
        num_generations: 2,
        temperature: 0.6,
        max_completion_length: 300,
        ...sampling,
      },
      rewards: [{ type: "accuracy" }, { type: "format", at_least: 1 }],
      trainer: {
        max_length: 384,
        max_steps: 4,
        save_steps: 1,
        logging_steps: 1,
        learning_rate: 0.001,
        per_device_train_batch_size: 2,
        ...trainer,
      },
      export: [
        { type: "gguf", types: ["q8_0"] },
        { type: "onnx", dtypes: ["q8"] },
      ],
      parity: { prompts: 1, max_completion_length: 4, max_mean_kl: { "gguf-q8_0": 1, "onnx-q8": 1 } },
      evaluation: {
        prompts: { path: join(STORIES, "test.jsonl"), limit: 2 },
        num_generations: 1,
        max_completion_length: 24,
        models: ["student-gguf-q8_0"],
      },
    }),
  );
  return { folder, recipe, output };
}

export type Outcome = { code: number | null; signal: NodeJS.Signals | null; said: string };

let before: Promise<unknown> = Promise.resolve();

/** Do what a command line says in this process, where the libraries are loaded already, once those before are done. */
export function cli(args: readonly string[]): Promise<Outcome> {
  const outcome = before.then(async () => {
    const { code, out, err } = await distill(...args);
    return { code, signal: null, said: out + err };
  });
  before = outcome.catch(() => {});
  return outcome;
}

type Surroundings = {
  preload?: string;
  env?: Record<string, string>;
  /** May kill it; `spoken` is when it has said its first word, and hears signals. */
  during?: (kill: (signal: NodeJS.Signals) => void, spoken: Promise<void>) => unknown;
};

/** Run the command line as a process. */
export function cliProcess(
  args: readonly string[],
  { preload, env = {}, during }: Surroundings = {},
): Promise<Outcome> {
  const flags = preload ? ["--import", resolve(import.meta.dirname, preload)] : [];
  const child = spawn(process.execPath, [...flags, ...COMMAND, ...args], {
    env: { ...process.env, NODE_OPTIONS: "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const spoken = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (piece) => {
        said += piece;
        resolve();
      });
  });
  during?.((signal) => child.kill(signal), spoken);
  return new Promise((done) => child.on("close", (code, signal) => done({ code, signal, said })));
}

/** What a finished run must hold, whatever happened on the way. */
export type Reference = {
  draws: Map<string, string>;
  traces: string[];
  files: Map<string, string>;
  models: string;
};

/** What each verb leaves that must come out the same to the byte. */
const SAME = { sample: ["dataset"], train: ["student"], export: ["export/gguf", "export/onnx"], eval: [] } as const;
export type Verb = keyof typeof SAME;
export const VERBS = Object.keys(SAME) as Verb[];

export function referenceOf({ output }: World, verbs: readonly Verb[] = VERBS): Reference {
  const traces = [...readTraces(join(output, "traces"))];
  const same = verbs.flatMap((verb) => [...SAME[verb]]);
  return {
    draws: new Map(traces.map((trace) => [`${trace.prompt_id} ${trace.sample}`, trace.completion])),
    traces: traces
      .map(({ prompt_id, sample, completion, verdict }) => JSON.stringify([prompt_id, sample, completion, verdict]))
      .sort(),
    files: new Map(
      same.flatMap((name) =>
        filesUnder(join(output, name)).map((file) => [`${name}/${file}`, content(join(output, name, file))] as const),
      ),
    ),
    models: verbs.includes("eval") ? measured(output) : "",
  };
}

const content = (path: string) => readFileSync(path).toString("latin1");
const measured = (output: string) =>
  JSON.stringify(
    (JSON.parse(readFileSync(join(output, "evaluation/report.json"), "utf8")).models as Record<string, unknown>[]).map(
      ({ tokens_per_s: _, seconds_per_problem: __, ...model }) => model,
    ),
  );

/** Files that are not what a run makes of its settings, but when and by whom. */
const OWN = ["artefact.json"];
const filesUnder = (folder: string): string[] =>
  (existsSync(folder) ? (readdirSync(folder, { recursive: true, withFileTypes: true }) ?? []) : [])
    .filter((entry) => entry.isFile() && !OWN.includes(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

/** What is wrong with a run's folder, in counts. `expected` is of the same settings. */
export type Figures = {
  lost: number;
  doubled: number;
  mixed: number;
  different: number;
  leftovers: number;
  notes: string[];
};

export function figuresOf({ output }: World, expected: Reference, verbs: readonly Verb[] = VERBS): Figures {
  const figures: Figures = { lost: 0, doubled: 0, mixed: 0, different: 0, leftovers: 0, notes: [] };
  const note = (what: string) => figures.notes.length < 5 && figures.notes.push(what);
  for (const key of readdirSync(join(output, "samples"))) {
    const seen = new Set<string>();
    const settings = new Set<string>();
    for (const { table } of readLedger(join(output, "samples", key), key))
      for (const { prompt_id, sample, prompt, temperature } of rowsIn<Draw>(table)) {
        const id = JSON.stringify([prompt_id, sample, prompt]);
        if (seen.has(id)) figures.doubled++;
        seen.add(id);
        settings.add(String(temperature));
      }
    if (settings.size > 1) figures.mixed += settings.size - 1;
  }
  const now = referenceOf({ output } as World, verbs);
  for (const [id, completion] of expected.draws) {
    if (!now.draws.has(id)) figures.lost++;
    else if (now.draws.get(id) !== completion) figures.mixed++;
  }
  if (now.traces.length !== now.draws.size) figures.doubled += now.traces.length - now.draws.size;
  if (now.traces.join() !== expected.traces.join()) {
    figures.different++;
    note("traces differ");
  }
  const compared = verbs.flatMap((verb) => [...SAME[verb]]);
  for (const [name, bytes] of expected.files)
    if (compared.some((part) => name.startsWith(`${part}/`)) && now.files.get(name) !== bytes) {
      figures.different++;
      note(`${name} differs`);
    }
  if (verbs.includes("eval") && now.models !== expected.models) {
    figures.different++;
    note(`measured ${now.models}, expected ${expected.models}`);
  }
  const metrics = join(output, "metrics.jsonl");
  const lines = existsSync(metrics) ? readFileSync(metrics, "utf8").trim().split("\n") : [];
  const steps = lines.flatMap((line) => {
    try {
      return [JSON.parse(line).step as number];
    } catch {
      return []; // a line that was damaged on purpose, and is said to be
    }
  });
  if (new Set(steps).size !== steps.length) figures.doubled++;
  const left = (readdirSync(output, { recursive: true }) as string[]).filter((name) =>
    /\.tmp$|\.distill\/temporary\/.|\.distill\/lock\/./.test(name),
  );
  figures.leftovers += left.length;
  if (left.length > 0) note(left[0]!);
  return figures;
}

export const faultless = ({ lost, doubled, mixed, different, leftovers }: Figures): boolean =>
  lost + doubled + mixed + different + leftovers === 0;

/** A copy of a world, with a run's folder as given. */
export function copyWorld({ recipe }: World, run: string | undefined): World {
  const folder = mkdtempSync(join(tmpdir(), "faults-"));
  const output = join(folder, "run");
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "recipe.yaml"),
    readFileSync(recipe, "utf8").replace(/^output: .*$/m, `output: ${output}`),
  );
  if (run) cpSync(run, output, { recursive: true, preserveTimestamps: true });
  return { folder, recipe: join(folder, "recipe.yaml"), output };
}

export const removeWorld = ({ folder }: World): void => rmSync(folder, { recursive: true, force: true });

/** Several things at once, as many as there are lanes. */
export async function inLanes<Item>(
  items: readonly Item[],
  lanes: number,
  work: (item: Item, i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (next < items.length) {
        const i = next++;
        await work(items[i]!, i);
      }
    }),
  );
}

/** No stack of ours on the screen. */
export const isSentence = (said: string): boolean => !/\n\s+at /.test(said);
