/** @file Checkpoints: what is trained, its moments and where the run stands, each a sealed folder of the run. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { SPELLINGS } from "../compiler/targets.ts";
import { DistillError } from "../core/errors.ts";
import { writeWhole } from "../core/files.ts";
import { readJson } from "../core/reading.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { type ModelConfig, readTensors, saveTensors, type Weight, writeConfig } from "../models/load.ts";
import { loraNames, mergeLora } from "../models/lora.ts";
import { moduleOf } from "../models/lora-targets.ts";
import type { Model } from "../models/model.ts";
import { saveWeights } from "../models/save.ts";
import type { StoredTensor } from "../models/storage.ts";
import type { Device } from "../runtime/device.ts";
import { tensor } from "../runtime/tensor.ts";
import type { RunFolder } from "../store/run-folder.ts";
import { readSeal } from "../store/seal.ts";
import type { Trained } from "../student/trained.ts";
import { momentNames, type OptimizerState } from "./layout/layout.ts";

const State = z.object({
  /** Steps done. */
  step: z.int().positive(),
  /** What the run was started with; a run of other settings does not continue from here. */
  fingerprint: z.string(),
  /** What the optimizer needs besides weights and moments. */
  optimizer: z.object({
    loss_scale: z.number().positive(),
    good_steps: z.int().nonnegative(),
    skipped_steps: z.int().nonnegative(),
    beta1_power: z.number(),
    beta2_power: z.number(),
  } satisfies Record<keyof OptimizerState, z.ZodType>),
  /** How products were spelled, where that differs from adapter to adapter: a run that goes on keeps its own. */
  spelling: z.object({ forward: z.enum(SPELLINGS), weight_gradient: z.enum(SPELLINGS) }).optional(),
  /** Steps of the run that it was made in: its schedule. */
  steps: z.int().positive().optional(),
  /** Tokens that were trained on. */
  tokens: z.int().nonnegative().default(0),
  /** The step after which the student was last measured, and the best so far. */
  evaluated: z.int().nonnegative().default(0),
  best: z.object({ step: z.int().positive(), score: z.number() }).optional(),
  /** Measurements in turn that were no better than the best before them. */
  early_stopping_patience_counter: z.int().nonnegative().default(0),
  /** Tokens that the student had written, those of runs of other lengths before it among them, and in the run of which key. */
  sampled: z.object({ key: z.string(), before: z.int().nonnegative(), total: z.int().nonnegative() }).optional(),
  /** What the source of batches goes on from. */
  source: z.json().optional(),
});
export type Best = { step: number; score: number };
export type TrainerState = Omit<z.output<typeof State>, "source" | "best" | "sampled"> & {
  source?: unknown;
  sampled?: z.output<typeof State>["sampled"];
  best?: Best | undefined;
};

/** Where checkpoints are, in a run's folder. */
export const CHECKPOINTS = "checkpoints";

const nameOf = (step: number) => `${CHECKPOINTS}/step-${step}`;

/** Steps of which there is a checkpoint in a run's folder, in order. */
export function checkpointSteps(path: string): number[] {
  const checkpoints = join(path, CHECKPOINTS);
  if (!existsSync(checkpoints)) return [];
  const steps = readdirSync(checkpoints).flatMap((name) => /^step-(\d+)$/.exec(name)?.[1] ?? []);
  return steps.map(Number).sort((a, b) => a - b);
}

/** `read` gives a trained weight or a moment in float32. */
export async function saveCheckpoint(read: Read, trained: Trained, run: RunFolder, state: TrainerState): Promise<void> {
  await run.writeFolder(nameOf(state.step), state.fingerprint, async (folder) => {
    await saveTrained(read, trained, folder);
    // all first moments before the second: a device may keep each kind in one state
    const moments = [0, 1].flatMap((i) =>
      trained.parameters.map(({ name, shape }) => ({ name: momentNames(name)[i]!, shape })),
    );
    await saveTensors(join(folder, "optimizer.safetensors"), moments, read);
    writeWhole(join(folder, "trainer.json"), `${JSON.stringify(state)}\n`);
  });
}

/** What the checkpoint of a step was made under, where its seal says so. */
function fingerprintOf({ path }: Pick<RunFolder, "path">, step: number): string | undefined {
  const read = readSeal(join(path, nameOf(step)));
  return read && read.damage === undefined ? read.seal.key : undefined;
}

/** Remove the checkpoints of a run that were made under other settings. */
export function forgetOtherCheckpoints(run: RunFolder, fingerprint: string): void {
  for (const step of checkpointSteps(run.path))
    if ((fingerprintOf(run, step) ?? fingerprint) !== fingerprint) run.remove(nameOf(step));
}

/** The step of the checkpoint that a run of `steps` would continue from. */
export const continuesFrom = (run: Pick<RunFolder, "path">, fingerprint: string, steps: number): number | undefined =>
  checkpointSteps(run.path).findLast((step) => step <= steps && fingerprintOf(run, step) === fingerprint);

/** Remove the checkpoints of a run that lie beyond its last step. Returns theirs. */
function forgetCheckpointsAfter(run: RunFolder, steps: number): number[] {
  const beyond = checkpointSteps(run.path).filter((step) => step > steps);
  for (const step of beyond) run.remove(nameOf(step));
  return beyond;
}

/** The newest checkpoint that is as it was written. Damaged ones are moved away. */
function newestWhole(run: RunFolder): number | undefined {
  for (const step of checkpointSteps(run.path).reverse()) {
    const damage = run.damageBeforeReading(nameOf(step));
    if (!damage) return step;
    run.setAside(nameOf(step), `${damage}; training continues from the checkpoint before it, or from the start`);
  }
  return undefined;
}

/** Whether the checkpoint of a step is there as it was written. A damaged one is moved away. */
export function hasCheckpoint(run: RunFolder, step: number): boolean {
  if (!checkpointSteps(run.path).includes(step)) return false;
  const damage = run.damageBeforeReading(nameOf(step));
  if (damage)
    run.setAside(nameOf(step), `${damage}; it held the best weights, which are looked for among what is at hand`);
  return !damage;
}

/**
 * Put the weights and moments of the newest checkpoint of a run of `steps` on the device. Those of a longer run that are
 * beyond its end are removed, and their steps returned.
 */
export async function loadCheckpoint(
  device: Device,
  trained: Trained,
  run: RunFolder,
  { fingerprint, steps }: { fingerprint: string; steps: number },
): Promise<{ state: TrainerState | undefined; beyond: number[] }> {
  const beyond = forgetCheckpointsAfter(run, steps);
  const step = newestWhole(run);
  if (step === undefined) return { state: undefined, beyond };
  const folder = join(run.path, nameOf(step));
  const path = join(folder, "trainer.json");
  const state = State.safeParse(readJson(path, "The checkpoint's trainer.json"));
  if (!state.success)
    throw new DistillError(`${path} does not say where the run stood: ${state.error.issues[0]!.message}.`);
  if (state.data.fingerprint !== fingerprint)
    throw new DistillError(
      `${folder} belongs to a run with other settings or data. Give another output folder, or remove ${join(run.path, CHECKPOINTS)}.`,
    );
  for (const { name, shape, data } of readTrained(folder, trained))
    await device.write(name, tensor("float32", shape, data));
  const optimizerPath = join(folder, "optimizer.safetensors");
  const file = openSafetensors(optimizerPath);
  try {
    for (const { name, shape } of trained.parameters)
      for (const moment of momentNames(name)) {
        if (!file.entries.has(moment)) throw new DistillError(`${optimizerPath} has no tensor "${moment}".`);
        await device.write(moment, tensor("float32", shape, new Float32Array(file.read(moment).buffer)));
      }
  } finally {
    file.close();
  }
  return { state: state.data, beyond };
}

/** Put the weights of one checkpoint on the device, as they are after training. */
export async function loadWeightsOf(device: Device, trained: Trained, run: RunFolder, step: number): Promise<void> {
  const damage = run.damageBeforeReading(nameOf(step));
  if (damage)
    throw new DistillError(`${damage}. It holds the best weights of the run; remove its folder and train again.`);
  for (const { name, shape, data } of readTrained(join(run.path, nameOf(step)), trained))
    await device.write(name, tensor("float32", shape, data));
}

/** Remove all but the newest `keep` checkpoints and the best one. */
export function pruneCheckpoints(run: RunFolder, keep: number, best?: number): void {
  for (const step of checkpointSteps(run.path).slice(0, -keep)) if (step !== best) run.remove(nameOf(step));
}

/** Write what is trained, and the file that describes it. */
export async function saveTrained(read: Read, trained: Trained, folder: string): Promise<void> {
  const { parameters, weights, config, tensorNames } = trained;
  const tensors = parameters.flatMap(({ name, shape }) => tensorNames(name).map((tensor) => ({ name: tensor, shape })));
  const of = new Map(parameters.flatMap(({ name }) => tensorNames(name).map((tensor) => [tensor, name])));
  await saveTensors(join(folder, weights), tensors, (tensor) => read(of.get(tensor)!));
  writeWhole(join(folder, config.file), `${JSON.stringify(config.content, null, 2)}\n`);
}

/** What is trained, from a folder that saveTrained wrote. */
function* readTrained(folder: string, { parameters, weights, tensorNames }: Trained): Generator<Weight> {
  const tensors = parameters.map((parameter) => ({ ...parameter, name: tensorNames(parameter.name)[0] }));
  let i = 0;
  for (const weight of readTensors(join(folder, weights), tensors)) yield { ...weight, name: parameters[i++]!.name };
}

/** Put a weight on the device as the model keeps it there. */
export async function writeWeight(device: Device, model: Model, { name, shape, data }: Weight): Promise<void> {
  const own = model.parameters.some((parameter) => parameter.name === name);
  const tensors = own ? model.storage(name).encode(data) : [{ name, dtype: "float32" as const, shape, data }];
  for (const { name, dtype, shape, data } of tensors) await device.write(name, tensor(dtype, shape, data));
}

/** Write config.json and the weights on the device as safetensors, with the adapter merged into them. */
export async function saveModel(device: Device, model: Model, config: ModelConfig, folder: string): Promise<void> {
  const whole = async (name: string): Promise<Float32Array> => {
    const { names, decode } = model.storage(name);
    const tensors = await Promise.all(names.map((part) => device.read(part)));
    const weight = decode(tensors.map(({ data }) => data as StoredTensor["data"]));
    const target = name.endsWith(".weight") && model.adapter?.targets.get(moduleOf(name));
    if (!target) return weight;
    const trained = new Set(model.adapter!.parameters.map(({ name }) => name));
    const halves = loraNames(moduleOf(name)).filter((name) => trained.has(name));
    const [a, b, magnitude] = await Promise.all(halves.map(readerOf(device)));
    mergeLora(weight, [a!, b!, magnitude], target);
    return weight;
  };
  await saveWeights(folder, model.parameters, whole);
  writeConfig(folder, config);
}

type Read = (name: string) => Promise<Float32Array>;

/** Reads the states of a device. */
export const readerOf =
  (device: Device): Read =>
  async (name) =>
    (await device.read(name)).data as Float32Array;
