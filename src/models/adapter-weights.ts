/** @file A model's weights as they are beside an adapter that is in a folder, or with it merged into them. */

import { join } from "node:path";
import { DistillError } from "../core/errors.ts";
import { openSafetensors } from "../formats/safetensors.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, type StoredAdapter } from "./adapter-folder.ts";
import { moveBase } from "./adapter-init.ts";
import { readTensors, type Weight } from "./load.ts";
import { type Adapter, loraNames, mergeLora } from "./lora.ts";
import { moduleOf } from "./lora-targets.ts";
import type { Model } from "./model.ts";

/** The matrices of an adapter from a folder, one at a time. */
export const loadAdapter = (folder: string, adapter: Pick<Adapter, "parameters">): Generator<Weight> =>
  readTensors(join(folder, ADAPTER_WEIGHTS), adapter.parameters);

/** A model with an adapter. */
type Adapted = Pick<Model, "parameters"> & { adapter: Adapter };

/**
 * `weights` of the model as they are beside the matrices in a folder: those that are in its file in place of the model's, and
 * from the others taken what the adapter took when it began.
 */
export function* besideAdapter(weights: Iterable<Weight>, stored: StoredAdapter, model: Adapted): Generator<Weight> {
  requireBeside(stored, model);
  const { folder, options, beside, initial } = stored;
  const path = join(folder, ADAPTER_WEIGHTS);
  const begun = initial === undefined ? undefined : halvesOf(initial, model.adapter);
  for (const weight of weights) {
    const { name, shape, init } = weight;
    const target = model.adapter.targets.get(moduleOf(name));
    const given = beside.get(name) ?? (isShared(name, model) ? beside.get(HEAD_WEIGHT) : undefined);
    if (given) for (const { data } of readTensors(path, [{ name: given.tensor, shape, init }])) weight.data = data;
    else if (target && begun && name.endsWith(".weight")) {
      const [a, b] = loraNames(moduleOf(name)).map((half) => begun.get(half));
      mergeLora(weight.data, [a!, b!], { ...target, scaling: -target.scaling });
    } else if (target && name.endsWith(".weight")) moveBase(weight.data, target, options.init_lora_weights);
    yield weight;
  }
}

/** `weights` with the adapter in a folder merged into them. */
export function* mergedWeights(weights: Iterable<Weight>, stored: StoredAdapter, model: Adapted): Generator<Weight> {
  const { targets } = model.adapter;
  const halves = halvesOf(stored.folder, model.adapter);
  for (const weight of besideAdapter(weights, stored, model)) {
    const [a, b, magnitude] = loraNames(moduleOf(weight.name)).map((name) => halves.get(name));
    const target = targets.get(moduleOf(weight.name));
    if (target && weight.name.endsWith(".weight")) mergeLora(weight.data, [a!, b!, magnitude], target);
    yield weight;
  }
}

const halvesOf = (folder: string, { parameters }: Adapter): Map<string, Float32Array> =>
  new Map([...loadAdapter(folder, { parameters })].map(({ name, data }) => [name, data]));

const HEAD_WEIGHT = "lm_head.weight";

/** Whether the head's weight is this one. */
const isShared = (name: string, { adapter }: Adapted) => adapter.tied && name === EMBEDDING_WEIGHT;
const EMBEDDING_WEIGHT = "model.embed_tokens.weight";

/** Throw where a weight in an adapter's file is not one of the model, or is missing, or parts a head from its embedding. */
function requireBeside({ folder, options, beside, ensure_weight_tying }: StoredAdapter, model: Adapted): void {
  const path = join(folder, ADAPTER_WEIGHTS);
  const { parameters, adapter } = model;
  const known = new Map(parameters.map((parameter) => [parameter.name, parameter.shape]));
  const head = beside.get(HEAD_WEIGHT);
  const embedding = beside.get(EMBEDDING_WEIGHT);
  for (const [name, { tensor, shape }] of beside) {
    const expected = known.get(adapter.tied && name === HEAD_WEIGHT ? EMBEDDING_WEIGHT : name);
    if (!expected)
      throw new DistillError(
        `${path}: the tensor "${tensor}" is neither of a low-rank pair nor a weight of the model, which has no ${name}. Give the model that the adapter was trained on.`,
      );
    if (expected.join() !== shape.join())
      throw new DistillError(
        `${path}: the tensor "${tensor}" has shape [${shape}], and the model's weight [${expected}]. Give a model of that size; where tokens were added, save the base after resize_token_embeddings and give that.`,
      );
  }
  for (const { name } of adapter.saved)
    if (!beside.has(name))
      throw new DistillError(
        `${path} has no tensor of ${name}, and modules_to_save in its ${ADAPTER_CONFIG} names it. Save the adapter again with PEFT.`,
      );
  const parted = (options.modules_to_save ?? []).some((end) =>
    [EMBEDDING_WEIGHT, HEAD_WEIGHT].map(moduleOf).some((module) => module.endsWith(end)),
  );
  if (!adapter.tied || ensure_weight_tying || (!parted && !(head && embedding))) return;
  if (head && embedding && sameTensors(path, head.tensor, embedding.tensor)) return;
  throw new DistillError(
    `${path}: modules_to_save parts ${EMBEDDING_WEIGHT} from the head, and the model has one weight for both (tie_word_embeddings). Train it with PEFT's ensure_weight_tying: true, or on a base that was saved with tie_word_embeddings: false.`,
  );
}

function sameTensors(path: string, one: string, other: string): boolean {
  const file = openSafetensors(path);
  try {
    return Buffer.compare(file.read(one), file.read(other)) === 0;
  } finally {
    file.close();
  }
}
