/** @file The device that trains. On a card nothing is computed twice, unless its memory has no room for that. */

import type { Segments } from "../../data/example-store.ts";
import type { Model } from "../../models/model.ts";
import { deviceOptions } from "../../recipe/device.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { type Device, openDevice } from "../../runtime/device.ts";
import { cardMemory } from "../../runtime/free-memory.ts";
import type { Trained } from "../../student/trained.ts";
import { estimateTraining } from "../../trainers/estimate.ts";
import type { TrainerOptions } from "../../trainers/options.ts";

/** What of a card's free memory training may be foreseen to take: what libraries take of it is not foreseen. */
const SHARE = 0.85;

type Data = { segments?: Segments | undefined; validation?: Segments | undefined };

/** Open the recipe's device; where it says nothing of cuda.recompute, the room on the card decides. */
export async function openTrainingDevice(
  recipe: Recipe,
  model: Model,
  trained: Trained,
  { segments, validation }: Data,
): Promise<Device> {
  const options = deviceOptions(recipe);
  const device = await openDevice(recipe.device, options);
  const card = device.target.keeps && segments && options.recompute === undefined ? cardMemory(options) : undefined;
  if (!card) return device;
  const free = Math.min(card.free, card.allowed ?? card.free);
  const taken = memoryTaken(model, trained, { segments: segments!, validation }, recipe.trainer, device);
  if (fits(taken, free)) return device;
  console.log(
    `To compute nothing twice takes ${Math.round(taken)} MB, and ${free} MiB of the card are free: what is cheap is computed again. cuda.recompute: false keeps it all the same.`,
  );
  await device.close();
  return openDevice(device.name, { ...options, recompute: true });
}

export const fits = (mb: number, free: number): boolean => mb <= SHARE * free;

/** Megabytes that training is foreseen to take on a device. */
export const memoryTaken = (
  model: Model,
  { parameters }: Pick<Trained, "parameters">,
  { segments, validation }: Data & { segments: Segments },
  options: TrainerOptions,
  on: Pick<Device, "name" | "target" | "resident">,
): number =>
  estimateTraining(
    model,
    parameters,
    segments,
    options,
    on,
    { matmul_gflops: 1, elementwise_gb_s: 1 }, // of which memory does not depend
    validation ? { validation } : {},
  ).memory_mb;
