/**
 * @file How weights, gradients and moments lie on a device, and the programs of a step that follow from it: forward and
 * backward, the sum over micro-batches, the norm, the optimizer.
 */

import type { Fold } from "../../compiler/folds.ts";
import type { Value } from "../../graph/value.ts";
import type { Parameter } from "../../models/model.ts";
import type { AdamWOptions } from "../../nn/adamw.ts";
import type { Tensor } from "../../runtime/tensor.ts";

export type LayoutOptions = AdamWOptions & {
  weight_decay: number;
  /** Whether the forward and backward pass compute in half precision; weights and moments are float32 all the same. */
  half: boolean;
  /** Whether only each layer's input is kept for the backward pass. */
  rematerialize?: boolean;
  /** Whether nobody else reads the weights as states of their names until `release`, but after `weights`. */
  alone?: boolean;
};

/** What was true after a step. */
export type Report = {
  /** Of the step's micro-batches together, before the update. */
  loss: number;
  /** What the objective logs beside it. */
  metrics: Record<string, number>;
  /** The norm before clipping; where it is not finite the step was passed over. */
  grad_norm: number;
} & OptimizerState;

/** What a resumed run needs besides weights and moments. */
export type OptimizerState = {
  /** What the loss is multiplied by for the gradients of half precision. */
  loss_scale: number;
  /** Steps since the last overflow. */
  good_steps: number;
  /** Steps passed over because a gradient was not finite. */
  skipped_steps: number;
  /** beta^t of the steps that were applied. */
  beta1_power: number;
  beta2_power: number;
};

/** Before the first step. */
export const INITIAL_STATE: OptimizerState = {
  loss_scale: 2 ** 16,
  good_steps: 0,
  skipped_steps: 0,
  beta1_power: 1,
  beta2_power: 1,
};

/** Scalars that are summed over micro-batches, of which one is the loss, and its gradients by the names of their states. */
export type LossGraph = {
  scalars: { loss: Value } & Record<string, Value>;
  gradients: Record<string, Value>;
  /** Where gradients of weights follow from those of folded matrices, which are given in their place; none of their norms. */
  folds?: readonly Fold[];
};

export type StepSettings = {
  learning_rate: number;
  /** The global norm to which larger gradients are clipped. */
  max_grad_norm: number;
};

export type Layout = {
  /** ONNX nodes of the program of loss and gradients. */
  readonly nodes: number;
  /** Kernels of a step of so many micro-batches, by what they are for. */
  kernels(microBatches: number): Record<string, number>;
  /**
   * Sum the gradients over micro-batches, clip and apply them; where they are not finite the step is passed over. A device that
   * is interrupted meanwhile rejects with Stopped, and weights, moments and report are those of the step before, or, where the
   * update had begun, of this one as if it had not been.
   */
  step(batches: readonly Record<string, Tensor>[], settings: StepSettings): Promise<void>;
  /** Of the last step: waits for it. */
  report(): Promise<Report>;
  /** A weight or a moment in float32. */
  read(name: string): Promise<Float32Array>;
  /** Have every weight as a state of its name, in the precision that is computed in, until the next step. */
  weights(): Promise<void>;
  /** Leave the weights as float32 states of their names. */
  release(): Promise<void>;
};

export const gradientName = (name: string) => `grad/${name}`;
export const momentNames = (name: string) => [`m/${name}`, `v/${name}`] as const;

/** Weight decay acts on matrices, not on norms and biases. */
export const decays = ({ shape }: Pick<Parameter, "shape">) => shape.length > 1;

export const sizeOf = ({ shape }: Pick<Parameter, "shape">) => shape.reduce((a, b) => a * b, 1);
