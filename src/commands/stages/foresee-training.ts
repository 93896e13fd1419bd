/** @file What training will take, with rates that are measured for as long as it is worth. */

import type { Segments } from "../../data/example-store.ts";
import type { Model } from "../../models/model.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import type { Device } from "../../runtime/device.ts";
import { measureRates } from "../../runtime/probe.ts";
import type { Trained } from "../../student/trained.ts";
import { type TrainingEstimate, trainingWork } from "../../trainers/estimate.ts";
import type { Objective } from "../../trainers/objective.ts";

/** How long each rate of the device is measured, in ms: where little is to be trained, and where much. */
const [BRIEF, THOROUGH] = [50, 500];
/** Training that is foreseen to take longer is much, in seconds. */
const MUCH = 10;

export async function foresee(
  model: Model,
  { parameters }: Trained,
  { segments, validation }: { segments: Segments; validation?: Segments | undefined },
  { trainer }: Recipe,
  device: Device,
  objective?: Pick<Objective<never>, "loss" | "reads">,
): Promise<TrainingEstimate> {
  const more = { ...(objective ? { objective } : {}), ...(validation ? { validation } : {}) };
  const rates = await measureRates(device, BRIEF); // before the memory of the process is looked at
  const at = trainingWork(model, parameters, segments, trainer, device, more);
  const soon = at(rates);
  return soon.seconds < MUCH ? soon : at(await measureRates(device, THOROUGH));
}
