/** @file The device that trains. On a card nothing is computed twice, where its memory is known to have room for that. */

import { keeping } from "../../compiler/targets.ts";
import type { Segments } from "../../data/example-store.ts";
import type { Model } from "../../models/model.ts";
import { deviceOptions } from "../../recipe/device.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { KEPT_SETS } from "../../runtime/captured.ts";
import { type Device, openDevice } from "../../runtime/device.ts";
import { cardMemory } from "../../runtime/free-memory.ts";
import type { Trained } from "../../student/trained.ts";
import { estimateTraining } from "../../trainers/estimate.ts";
import type { TrainerOptions } from "../../trainers/options.ts";

/** What of a card's free memory training may be foreseen to take: what libraries take of it is not foreseen. */
const SHARE = 0.85;

type Data = { segments?: Segments | undefined; validation?: Segments | undefined };

/** Open the recipe's device; where it says nothing of recompute, the room on the card decides. */
export async function openTrainingDevice(
  recipe: Recipe,
  model: Model,
  trained: Trained,
  { segments, validation }: Data,
): Promise<Device> {
  const { recompute, ...options } = deviceOptions(recipe);
  const device = await openDevice(recipe.device, { ...options, recompute });
  if (!segments || !device.target.pieces || recompute[device.name] !== undefined) return device;
  const card = cardMemory(device.name, options);
  if (!card) return device;
  const free = Math.min(card.free, card.allowed ?? card.free);
  const kept = { name: device.name, target: keeping(device.target), resident: device.resident };
  const taken = memoryTaken(model, trained, { segments, validation }, recipe.trainer, kept);
  const room = fits(taken, free);
  device.recompute(!room);
  if (!room)
    console.log(
      `To compute nothing twice takes ${Math.round(taken)} MB, and ${free} MiB of the card are free: what is cheap is computed again. ${device.name}.recompute: false keeps it all the same.`,
    );
  return device;
}

export const fits = (mb: number, free: number): boolean => mb <= SHARE * free;

/**
 * How often more what forward and backward compute with is there: WebGPU keeps it with each set of launches that it repeats, and
 * CUDA's arena holds as much again in pieces that do not fit (21.8 GB were taken where 12.8 are alive:
 * test/bench/results/gpu-2026-11-27.md).
 */
const MORE = { cpu: 0, cuda: 1, webgpu: KEPT_SETS.webgpu };

/** Megabytes that training is foreseen to take on a device. */
export function memoryTaken(
  model: Model,
  { parameters }: Pick<Trained, "parameters">,
  { segments, validation }: Data & { segments: Segments },
  options: TrainerOptions,
  on: Pick<Device, "name" | "target" | "resident">,
): number {
  const rates = { matmul_gflops: 1, elementwise_gb_s: 1 }; // of which memory does not depend
  const foreseen = estimateTraining(model, parameters, segments, options, on, rates, validation ? { validation } : {});
  return foreseen.memory_mb + MORE[on.name] * foreseen.activations_mb;
}
