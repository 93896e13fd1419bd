import { apply, type Binary, defineOp } from "../graph/op.ts";
import type { Node, Value } from "../graph/value.ts";

/**
 * x itself, computed after `earlier` has been. It holds no work back and copies nothing: it orders the program, so that
 * what a gradient recomputes is not computed, and kept, long before it is used. Where memory has room for both, nothing is
 * recomputed, and no order is held but what `strictlyAfter` states.
 */
export const After: Binary = defineOp("After", {
  infer: (_, { dtype, shape }) => ({ dtype, shape }),
  launches: () => 0,
  gradient: ({ dy }) => [dy, null],
});

/** After, however much memory there is. */
export const strictlyAfter = (x: Value, earlier: Value): Value => apply(After, [x, earlier], STRICT);

const STRICT = { strict: 1 };

/** The same where kernels write over what they are given, and must not before `earlier` has read it; elsewhere x. */
export const AfterInFewKernels: Binary = defineOp("afterInFewKernels", {
  infer: (_, { dtype, shape }) => ({ dtype, shape }),
  expand: (_, x) => x,
  inFewKernels: (_, x, earlier) => strictlyAfter(x, earlier),
});

/** Whether an After is there only where memory is short. */
export const isLoose = ({ op, attrs }: Node): boolean => op === After && !("strict" in attrs);

/** x, for an After: the value that is read in its place. */
export function resolve(value: Value): Value {
  let x = value;
  while (x.node?.op === After) x = x.node.inputs[0]!;
  return x;
}
