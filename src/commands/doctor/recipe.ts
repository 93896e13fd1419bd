/** @file The laws of training on a recipe's own model and data, made small enough for seconds. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Segment } from "../../data/batch.ts";
import type { TrainingRow } from "../../data/rows.ts";
import { toSegments } from "../../data/segments.ts";
import { type DatasetSource, nameOf, trainingRows } from "../../data/sources.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { createModel, type ModelConfig } from "../../models/load.ts";
import type { LoraOptions } from "../../models/lora.ts";
import { moduleOf } from "../../models/lora-targets.ts";
import { elementsIn } from "../../models/model.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { type DeviceName, openDevice } from "../../runtime/device.ts";
import { openStudent } from "../../student/student.ts";
import { withStudentFolder } from "../../student/unpack.ts";
import { ownWeights } from "../../student/weights.ts";
import * as laws from "../../trainers/laws/index.ts";
import type { Finding, Law, Subject } from "../../trainers/laws/law.ts";
import { randomSegment } from "../../trainers/toy.ts";
import { NAMES, withMixed } from "../stages/context.ts";
import { fromHub } from "../stages/hub.ts";
import type { DeviceState } from "./devices.ts";

export type RecipeReport = {
  recipe: string;
  /** What of the model and of the data the laws were tried on. */
  model: string;
  data: string;
  laws: (Finding & { name: string; states: string; seconds: number })[];
};

/** A model of more parameters is tried with its first layers only. */
const SMALL = 20e6;
const LAYERS = 2;
/** Rows that the laws are tried on, and their tokens. */
const ROWS = 4;
const LONGEST = 128;

/** Try each law; undefined where `signal` stopped it. */
export async function tryRecipe(
  given: Recipe,
  devices: readonly DeviceState[],
  onLaw: (name: string) => void,
  signal?: AbortSignal,
): Promise<RecipeReport | undefined> {
  const fetched = await fromHub(given, { weights: ["student"], ...(signal ? { signal } : {}) });
  if (!fetched) return undefined;
  const { recipe } = fetched;
  const { student, close } = await withStudentFolder(recipe, recipe.output!, recipe.name);
  close();
  const { trainer } = recipe;
  const { config: whole, tokenizer, source } = openStudent({ ...recipe, student });
  const config = shortened(whole, source);
  const sampled = join(recipe.output!, NAMES.dataset);
  const place = recipe.dataset ?? withMixed(recipe, sampled);
  const rows = !recipe.dataset && !existsSync(sampled) ? undefined : await usable(place, tokenizer);
  const { segments, data } = chosen(rows, tokenizer);
  const model: Subject["model"] = (options) => createModel(config, source, options);
  const other = otherDevice(recipe.device, devices);
  const device = await openDevice("cpu", { threads: recipe.threads });
  const second = other ? await openDevice(other, { strict: other === "webgpu" }) : undefined;
  const subject: Subject = {
    device,
    other: second,
    config,
    model,
    weights: (parameters = model().parameters) =>
      ownWeights(student, { parameters, initializer_range: model().initializer_range }),
    segments,
    lora: recipe.lora && within(recipe.lora, { config, whole, source }),
    ...(rows ? { rows, tokenizer } : {}),
    dataset: nameOf(place),
    options: {
      beta1: trainer.adam_beta1,
      beta2: trainer.adam_beta2,
      epsilon: trainer.adam_epsilon,
      weight_decay: trainer.weight_decay,
      rematerialize: trainer.gradient_checkpointing,
    },
  };
  const report: RecipeReport = { recipe: recipe.name, model: sizes(whole, config, source), data, laws: [] };
  try {
    for (const [name, law] of Object.entries(laws as Record<string, Law>)) {
      if (signal?.aborted) return undefined;
      onLaw(name);
      const start = performance.now();
      const finding = await law.check(subject);
      const seconds = Math.round((performance.now() - start) / 100) / 10;
      report.laws.push({ name, states: law.states, ...finding, seconds });
    }
  } finally {
    await device.close();
    await second?.close();
  }
  return report;
}

/** The config, with as few layers as a large model needs to be small. */
function shortened(config: ModelConfig, source: string): ModelConfig {
  const layers = config.num_hidden_layers;
  if (parametersOf(config, source) <= SMALL || typeof layers !== "number" || layers <= LAYERS) return config;
  const { layer_types } = config;
  return {
    ...config,
    num_hidden_layers: LAYERS,
    ...(Array.isArray(layer_types) ? { layer_types: layer_types.slice(0, LAYERS) } : {}),
  };
}

/** An adapter beside the layers that were kept, or none where they have none of its targets. */
function within(lora: LoraOptions, { config, whole, source }: Shortened): LoraOptions | undefined {
  const kept = new Set(createModel(config, source).parameters.map(({ name }) => moduleOf(name)));
  const { targets } = createModel(whole, source, { lora }).adapter!;
  const target_modules = [...targets.keys()].filter((module) => kept.has(module));
  const everywhere = { exclude_modules: null, layers_to_transform: null, modules_to_save: null };
  return target_modules.length > 0 ? { ...lora, ...everywhere, target_modules } : undefined;
}
type Shortened = { config: ModelConfig; whole: ModelConfig; source: string };

const parametersOf = (config: ModelConfig, source: string) => elementsIn(createModel(config, source).parameters);

/** The rows of a dataset; what is wrong with others is said where they are trained on. */
async function usable(source: DatasetSource, tokenizer: Tokenizer): Promise<TrainingRow[]> {
  const rows: TrainingRow[] = [];
  for await (const read of trainingRows(source, tokenizer)) if ("row" in read) rows.push(read.row);
  return rows;
}

function sizes(whole: ModelConfig, config: ModelConfig, source: string): string {
  const [all, tried] = [whole, config].map((of) => `${(parametersOf(of, source) / 1e6).toFixed(2)} M parameters`);
  return whole === config
    ? `the whole model, ${all}`
    : `the first ${config.num_hidden_layers} of its ${whole.num_hidden_layers} layers, ${tried} of ${all}`;
}

/** A few short rows, the shortest where there are none; longer ones are cut at the front. */
function chosen(rows: readonly TrainingRow[] | undefined, tokenizer: Tokenizer): { segments: Segment[]; data: string } {
  if (!rows || rows.length < 2) {
    const segments = [20, 9, 14, 5].map((length, i) => randomSegment(i + 1, length, 2, tokenizer.size));
    return { segments, data: "random tokens, because the run has no dataset yet" };
  }
  const tokenized = rows.flatMap((row, i) => {
    try {
      return toSegments(row, tokenizer, `row ${i + 1}`);
    } catch {
      return []; // what is wrong with it is a finding of the law of supervision
    }
  });
  const short = tokenized.filter(({ tokens }) => tokens.length <= LONGEST);
  const from = short.length >= ROWS ? short : tokenized.sort((a, b) => a.tokens.length - b.tokens.length);
  const picked = Array.from(
    { length: Math.min(ROWS, from.length) },
    (_, i) => from[Math.floor((i * from.length) / ROWS)]!,
  );
  const cut = picked.filter(({ tokens }) => tokens.length > LONGEST).length;
  const segments = picked.map(({ tokens, supervised }) => ({
    tokens: tokens.slice(-LONGEST),
    supervised: supervised.slice(-LONGEST),
  }));
  const tokens = segments.reduce((sum, segment) => sum + segment.tokens.length, 0);
  const cuts = cut > 0 ? `, ${cut} of them cut to their last ${LONGEST}` : "";
  return {
    segments,
    data: `${segments.length} of ${rows.length} rows with ${tokens} tokens${cuts}; supervision: all rows`,
  };
}

/** The device that the recipe trains on, unless that is the CPU or does not work. */
function otherDevice(name: DeviceName, devices: readonly DeviceState[]): DeviceName | undefined {
  const working = devices.filter(({ ok }) => ok);
  const fastest = working.toSorted((a, b) => b.matmul_gflops! - a.matmul_gflops!)[0]?.name;
  const wanted = name === "auto" ? fastest : working.find((device) => device.name === name)?.name;
  return wanted === "cpu" ? undefined : wanted;
}
