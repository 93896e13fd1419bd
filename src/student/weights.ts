/** @file The weights that a student starts from. */

import { loadAdapter } from "../models/adapter-folder.ts";
import { initialWeights, loadWeights, type Weight } from "../models/load.ts";
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
  if (parameters.length > 0) yield* ownWeights(student, { parameters, initializer_range });
  if (!adapter?.parameters.some(({ name }) => names.has(name))) return;
  yield* "path" in student && student.adapter
    ? loadAdapter(student.adapter, adapter)
    : initialWeights({ parameters: adapter.parameters, initializer_range }, seed);
}

/** The weights of the student's own, without an adapter: those of its folder, or of a new one by its seed. */
export const ownWeights = (
  student: StudentOptions,
  model: Pick<Model, "parameters" | "initializer_range">,
): Generator<Weight> => ("path" in student ? loadWeights(student.path, model) : initialWeights(model, student.seed));
