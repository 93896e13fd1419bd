/** @file Rematerialisation (arXiv:1604.06174): keep the inputs of a piece of the model, and compute the rest again backwards. */

import { apply, type OpInfo } from "../graph/op.ts";
import { substitute } from "../graph/rewrite.ts";
import { toposortUntil, type Value } from "../graph/value.ts";
import { strictlyAfter } from "./after.ts";

/** f(...xs), whose inner values are not kept for the backward pass. Parameters are found; other inputs must be in `xs`. */
export function checkpoint(f: (...xs: Value[]) => Value, ...xs: Value[]): Value {
  const y = f(...xs);
  const known = new Set(xs);
  const inside = toposortUntil((value) => known.has(value), [y]);
  const leaves = inside.filter((value) => !value.node && value.data === undefined);
  const from = [...xs, ...leaves];
  const body = (inputs: readonly Value[]) => substitute([y], new Map(from.map((x, i) => [x, inputs[i]!])))[0]!;
  const op: OpInfo = {
    type: "checkpoint",
    infer: () => y,
    expand: (_, ...inputs) => body(inputs),
    gradient({ dy, gradients }, ...inputs) {
      const again = inputs.map((x, i) => (i < xs.length ? strictlyAfter(x, dy) : x));
      return gradients(body(again), dy, again);
    },
  };
  return apply(op, from, {});
}
