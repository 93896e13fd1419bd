import { type Binary, defineOp } from "../graph/op.ts";
import type { Value } from "../graph/value.ts";

/**
 * x itself, computed after `earlier` has been. It holds no work back and copies nothing: it orders the program, so that
 * what a gradient recomputes is not computed, and kept, long before it is used.
 */
export const After: Binary = defineOp("After", {
  infer: (_, { dtype, shape }) => ({ dtype, shape }),
  launches: () => 0,
  gradient: ({ dy }) => [dy, null],
});

/** x, for an After: the value that is read in its place. */
export function resolve(value: Value): Value {
  let x = value;
  while (x.node?.op === After) x = x.node.inputs[0]!;
  return x;
}
