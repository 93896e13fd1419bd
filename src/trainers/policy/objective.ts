/** @file What reinforcement minimises: the clipped policy gradient, and beside it what a value head gets wrong. */

import type { Batch, BatchShape } from "../../data/batch.ts";
import { input, scalar, type Value } from "../../graph/value.ts";
import type { Model } from "../../models/model.ts";
import {
  POLICY_COLUMNS,
  type PolicyColumn,
  type PolicyOptions,
  policyColumns,
  policyGradient,
} from "../../nn/policy.ts";
import { headValues } from "../../nn/value-head.ts";
import { valueLoss } from "../../nn/value-loss.ts";
import { Mul, Reshape } from "../../ops/index.ts";
import { tensor } from "../../runtime/tensor.ts";
import type { Losses, Objective } from "../objective.ts";
import {
  type Column,
  LABELS,
  labelsOf,
  type Operand,
  supervisedFeeds,
  supervisedIn,
  supervisedLoss,
} from "../supervised.ts";
import type { GrpoOptions } from "./options.ts";
import { VALUE_HEAD, valueParameters } from "./value-head.ts";

/** Beside a batch, numbers of each of its supervised positions. */
export type PolicyBatch = Batch & Partial<Record<PolicyColumn | "returns" | "values", Float32Array>>;

export const policyOptions = (options: GrpoOptions): PolicyOptions => ({
  on_policy: options.steps_per_generation * options.num_iterations === 1,
  level: options.importance_sampling_level,
  epsilon: options.epsilon,
  epsilon_high: options.epsilon_high ?? options.epsilon,
  beta: options.beta,
  use_bias_correction_kl: options.use_bias_correction_kl,
});

export function policyObjective(options: GrpoOptions, model: Pick<Model, "head">): Objective<PolicyBatch> {
  const rule = policyOptions(options);
  const columns = policyColumns(rule);
  const valued = options.baseline === "value";
  const operands: Operand[] = columns.map((name) => ({ column: POLICY_COLUMNS[name], dtype: "float32", width: 1 }));
  return {
    loss: (model, shape, settings) =>
      supervisedLoss(
        model,
        shape,
        policyGradient(rule),
        [LABELS, ...operands],
        settings,
        valued ? (hidden) => valueTerm(hidden, shape, options, settings?.scale) : undefined,
      ),
    feeds(batches) {
      const total = supervisedIn(batches);
      return batches.map((batch) => {
        const own = (name: PolicyColumn): Column => {
          const values = batch[name]!;
          // so that metrics are means over tokens whatever the loss is
          const factor = name === "shares" ? total : 1;
          return { dtype: "float32", width: 1, at: (position) => [factor * values[position]!], padding: [0] };
        };
        return {
          ...supervisedFeeds(batch, 1 / total, {
            labels: labelsOf(batch),
            ...Object.fromEntries(columns.map((name) => [POLICY_COLUMNS[name], own(name)])),
          }),
          ...(valued ? valueFeeds(batch, 1 / total) : {}),
        };
      });
    },
    ...(valued ? { parameters: valueParameters(model.head.shape[1] as number) } : {}),
  };
}

const VALUES = { returns: "value_returns", old: "value_old", weights: "value_weights" } as const;

/** vf_coef · the loss of the values of all tokens, of which those that are not trained weigh nothing. */
function valueTerm(
  hidden: Value,
  { rows, length }: BatchShape,
  { vf_coef, cliprange_value }: GrpoOptions,
  scale: Value | undefined,
): Losses {
  const { values, weights } = headValues(hidden, VALUE_HEAD);
  const column = (name: string) => input(name, "float32", [rows * length, 1]);
  const each = column(VALUES.weights);
  const targets = {
    returns: column(VALUES.returns),
    old: column(VALUES.old),
    weights: scale ? Mul(each, scale) : each,
  };
  const { loss, clipped } = valueLoss(values, targets, cliprange_value);
  const sum = (x: Value) => Reshape(x, { shape: [] });
  return {
    loss: Mul(sum(loss), scalar(vf_coef)),
    metrics: { value_loss: sum(loss), value_clip_ratio: sum(clipped) },
    weights,
  };
}

function valueFeeds({ supervised, shape, returns, values }: PolicyBatch, weight: number) {
  const size = shape.rows * shape.length;
  const dense = (of: (i: number) => number) => {
    const data = new Float32Array(size);
    for (const [i, { position }] of supervised.entries()) data[position] = of(i);
    return tensor("float32", [size, 1], data);
  };
  return {
    [VALUES.returns]: dense((i) => returns![i]!),
    [VALUES.old]: dense((i) => values![i]!),
    [VALUES.weights]: dense(() => weight),
  };
}
