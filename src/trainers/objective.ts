/** @file What a trainer minimises: a graph over the model, and the tensors of a step's micro-batches that it reads. */

import type { BatchShape } from "../data/batch.ts";
import type { Value } from "../graph/value.ts";
import type { Model, Parameter } from "../models/model.ts";
import type { Tensor } from "../runtime/tensor.ts";

export type LossOptions = {
  /** Keep only each layer's input for the backward pass. */
  rematerialize?: boolean;
  /** What the loss, and with it every metric, is multiplied by. */
  scale?: Value | undefined;
};

/** Scalars that are summed over the micro-batches of a step: what is minimised, and what is logged beside it by name. */
export type Losses = {
  loss: Value;
  metrics?: Record<string, Value>;
  /** The inputs that stand for the objective's own parameters, by name. */
  weights?: Record<string, Value>;
};

/** Normalisation and weights are the objective's own: the sum over a step's micro-batches is the step's loss. */
export type Objective<Batch> = {
  loss(model: Model, shape: BatchShape, options?: LossOptions): Losses;
  /** The inputs of `loss`, for each micro-batch of a step. */
  feeds(batches: readonly Batch[]): Record<string, Tensor>[];
  /** What is trained with the model and is no part of it. */
  parameters?: readonly Parameter[];
  /** States of other models that `loss` reads. They keep their values. */
  reads?: readonly string[];
};
