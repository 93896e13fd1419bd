/** @file The student as a model to train: with its adapter, and with weights that are not trained kept as is wanted. */

import { DistillError } from "../core/errors.ts";
import { ADAPTER_CONFIG, modelFor, readAdapter, readAdapterOptions } from "../models/adapter-folder.ts";
import { movesBase } from "../models/adapter-init.ts";
import { createModel, type ModelConfig } from "../models/load.ts";
import type { AdapterOptions } from "../models/lora-options.ts";
import { unusedPatterns } from "../models/lora-targets.ts";
import type { Model, Parameter } from "../models/model.ts";
import type { BaseDtype } from "../models/storage.ts";
import { baseName } from "./base-name.ts";
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
  const base = "path" in student ? baseName(student.path, config, hub) : null;
  const trained = trainedPart(model, config, { freeze: frozen.freeze, base });
  if (tokenizer.size > (config.vocab_size as number))
    throw new DistillError(
      `The tokenizer ${tokenizer.folder} has ${tokenizer.size} tokens, and the student a vocab_size of ${config.vocab_size}.`,
    );
  return { model, trained, ...opened };
}

/** The student with an adapter where the recipe has one, and weights that are not trained kept as `frozen` says. */
export function studentModel(
  { student, lora }: Pick<StudentSections, "student" | "lora">,
  { config, source }: Pick<OpenedStudent, "config" | "source">,
  { freeze, base_dtype }: Frozen,
): Model {
  if (!lora) {
    const base = ({ name }: Parameter) => (isFrozen(name, freeze) ? base_dtype : "float32");
    return createModel(config, source, { base });
  }
  const model = withAdapter(config, source, lora, base_dtype);
  const [unused] = unusedPatterns([...model.adapter!.targets.keys()], lora);
  if (unused) throw new DistillError(`lora.${unused}. Expected the end of a target's name, such as q_proj.`);
  if (!("path" in student) || !student.adapter) return model;
  const stored = readAdapter(student.adapter);
  const { options, beside, initial } = stored;
  if (initial !== undefined)
    throw new DistillError(
      `The adapter ${student.adapter} took a part out of the model's weights, which ${initial} holds, and training goes on beside whole weights alone. Leave lora out, which merges the adapter and trains the student whole, or merge it and give that as the student.`,
    );
  const continued = { ...options, lora_dropout: lora.lora_dropout };
  const given = modelFor(stored, () => withAdapter(config, source, continued, base_dtype));
  requireSame(student.adapter, [options, given], [lora, model]);
  const saved = new Set(given.adapter!.saved.flatMap(({ name }) => given.adapter!.tensorNames(name)));
  for (const { tensor } of beside.values())
    if (!saved.has(tensor))
      throw new DistillError(
        `The adapter ${student.adapter} holds ${tensor} and does not name it in modules_to_save, so that it would be lost when training goes on. Leave lora out, which merges the adapter and trains the student whole, or merge it and save that as a model of its own.`,
      );
  return given;
}

/** Weights that an adapter's training leaves as they are lie in memory as `base_dtype` says. */
function withAdapter(config: ModelConfig, source: string, lora: AdapterOptions, base_dtype: BaseDtype): Model {
  const { adapter } = createModel(config, source, { lora });
  const saved = new Set(adapter!.saved.map(({ name }) => name));
  return createModel(config, source, { lora, base: ({ name }) => (saved.has(name) ? "float32" : base_dtype) });
}

/** Throw where the recipe's lora is not what an adapter has that is trained on. */
function requireSame(folder: string, [theirs, given]: Described, [ours, model]: Described): void {
  for (const key of ["r", "lora_alpha", "use_rslora", "use_dora"] as const)
    if ((theirs[key] ?? false) !== (ours[key] ?? false))
      throw new DistillError(
        `The adapter ${folder} has ${key} ${theirs[key] ?? false}, and the recipe's lora has ${ours[key] ?? false}. Set lora.${key} to ${theirs[key] ?? false}.`,
      );
  const [{ targets, saved }, { targets: wanted, saved: wantedSaved }] = [given.adapter!, model.adapter!];
  if ([...targets.keys()].join() !== [...wanted.keys()].join())
    throw new DistillError(
      `The adapter ${folder} is beside ${targets.size} linear layers, and lora.target_modules names ${wanted.size}, not the same. Name those of its ${ADAPTER_CONFIG}.`,
    );
  for (const [module, { r, scaling }] of targets) {
    const other = wanted.get(module)!;
    if (r !== other.r || scaling !== other.scaling)
      throw new DistillError(
        `The adapter ${folder} has rank ${r} and scaling ${scaling} beside ${module}, and the recipe's lora ${other.r} and ${other.scaling}. Give lora the rank_pattern and alpha_pattern of its ${ADAPTER_CONFIG}.`,
      );
  }
  const names = (parameters: readonly Parameter[]) => parameters.map(({ name }) => name).join(", ") || "no weights";
  if (names(saved) !== names(wantedSaved))
    throw new DistillError(
      `The adapter ${folder} has ${names(saved)} trained whole, and lora.modules_to_save names ${names(wantedSaved)}. Give lora the modules_to_save of its ${ADAPTER_CONFIG}.`,
    );
}

type Described = readonly [AdapterOptions, Model];

/** Whether training an adapter leaves the student's own weights on the device as they were before. */
export function keepsWeights({ student, lora }: Pick<StudentSections, "student" | "lora">): boolean {
  if (!lora || lora.modules_to_save?.length) return false;
  return !("path" in student && student.adapter && movesBase(readAdapterOptions(student.adapter).init_lora_weights));
}
