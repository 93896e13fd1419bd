/** @file The student as a model to train: with its adapter, and with weights that are not trained kept as is wanted. */

import { DistillError } from "../core/errors.ts";
import { parseHubReference } from "../hub/reference.ts";
import { readAdapterOptions } from "../models/adapter-folder.ts";
import { createModel } from "../models/load.ts";
import type { Model, Parameter } from "../models/model.ts";
import type { StudentSections } from "./options.ts";
import { type OpenedStudent, openStudent } from "./student.ts";
import { type Frozen, isFrozen, type Trained, trainedPart } from "./trained.ts";

/**
 * The student, and the part of it that is trained. `hub` are references of files from the hub, by path. A tokenizer of more
 * tokens than the student knows is refused.
 */
export function studentToTrain(
  sections: StudentSections,
  frozen: Frozen,
  hub: ReadonlyMap<string, string>,
): { model: Model; trained: Trained } & OpenedStudent {
  const { student } = sections;
  const opened = openStudent(sections);
  const { config, tokenizer } = opened;
  const model = studentModel(sections, opened, frozen);
  const base = "path" in student ? nameOf(student.path, hub) : null;
  const trained = trainedPart(model, config, { freeze: frozen.freeze, base });
  if (tokenizer.size > (config.vocab_size as number))
    throw new DistillError(
      `The tokenizer ${tokenizer.folder} has ${tokenizer.size} tokens, and the student a vocab_size of ${config.vocab_size}.`,
    );
  return { model, trained, ...opened };
}

/** What PEFT finds a model by: its name on the hub, or its folder. */
function nameOf(path: string, hub: ReadonlyMap<string, string>): string {
  const reference = hub.get(path);
  return reference ? parseHubReference(reference).name : path;
}

/** The student with an adapter where the recipe has one, and weights that are not trained kept as `frozen` says. */
export function studentModel(
  { student, lora }: Pick<StudentSections, "student" | "lora">,
  { config, source }: Pick<OpenedStudent, "config" | "source">,
  { freeze, base_dtype }: Frozen,
): Model {
  const base = ({ name }: Parameter) => (lora || isFrozen(name, freeze) ? base_dtype : "float32");
  if (!lora) return createModel(config, source, { base });
  const model = createModel(config, source, { base, lora });
  if (!("path" in student) || !student.adapter) return model;
  const adapter = readAdapterOptions(student.adapter);
  for (const key of ["r", "lora_alpha", "use_rslora"] as const)
    if (adapter[key] !== lora[key])
      throw new DistillError(
        `The adapter ${student.adapter} has ${key} ${adapter[key]}, and the recipe's lora has ${lora[key]}. Set lora.${key} to ${adapter[key]}.`,
      );
  const given = createModel(config, source, { base, lora: { ...adapter, lora_dropout: lora.lora_dropout } });
  const [theirs, ours] = [given, model].map(({ adapter }) => [...adapter!.targets.keys()]);
  if (theirs!.join() !== ours!.join())
    throw new DistillError(
      `The adapter ${student.adapter} is beside ${theirs!.length} linear layers, and lora.target_modules names ${ours!.length}, not the same. Name those of its adapter_config.json.`,
    );
  return given;
}
