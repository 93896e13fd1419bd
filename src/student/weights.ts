/** @file The weights that a student starts from. */

import { readAdapter } from "../models/adapter-folder.ts";
import { besideAdapter, loadAdapter } from "../models/adapter-weights.ts";
import { initialWeights, loadWeights, type Weight } from "../models/load.ts";
import { magnitudesOf } from "../models/lora.ts";
import type { Model, Parameter } from "../models/model.ts";
import type { StudentOptions } from "./options.ts";

/** What `wanted` begin with: the student's weights, those of its adapter, or new ones, of an adapter by `seed`. */
export function* startingWeights(
  student: StudentOptions,
  model: Model,
  wanted: readonly Parameter[],
  seed: number,
): Generator<Weight> {
  const names = new Set(wanted.map(({ name }) => name));
  const parameters = model.parameters.filter(({ name }) => names.has(name));
  const { adapter, initializer_range } = model;
  const own = ownWeights(student, { parameters, initializer_range });
  const stored = adapter && "path" in student && student.adapter ? readAdapter(student.adapter) : undefined;
  const magnitudes = new Map<string, Float32Array>();
  for (const weight of stored ? besideAdapter(own, stored, { ...model, adapter: adapter! }) : own) {
    // before the weight moves to a device
    if (adapter && !stored)
      for (const [name, lengths] of magnitudesOf(adapter, weight.name, weight.data)) magnitudes.set(name, lengths);
    yield weight;
  }
  if (!adapter?.parameters.some(({ name }) => names.has(name))) return;
  if (stored) yield* loadAdapter(stored.folder, adapter);
  else
    for (const weight of initialWeights({ parameters: adapter.parameters, initializer_range }, seed))
      yield { ...weight, data: magnitudes.get(weight.name) ?? weight.data };
}

/** The weights of the student's own, without an adapter: those of its folder, or of a new one by its seed. */
export const ownWeights = (
  student: StudentOptions,
  model: Pick<Model, "parameters" | "initializer_range">,
): Generator<Weight> => ("path" in student ? loadWeights(student.path, model) : initialWeights(model, student.seed));
