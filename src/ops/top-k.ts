import { defineOp, type Op } from "../graph/op.ts";
import { constant, type Value } from "../graph/value.ts";
import { Part } from "./movement.ts";

/** The k largest of x along its last axis, and where they are; `topK` makes its two outputs. It has no gradient. */
export const TopK: Op<[x: Value, attrs: { k: number }]> = defineOp("TopK", {
  parts: () => 2,
  infer: (_, { dtype, shape }) => ({ dtype, shape }),
  spelling: { inputs: ({ k }, [x]) => [x!, constant([k], "int64")], attributes: () => ({ axis: -1 }) },
});

/** The k largest of x [..., n], the largest first, and their indices int64: [..., k] each. Both must be used. */
export function topK(x: Value, k: number): { values: Value; indices: Value } {
  const both = TopK(x, { k });
  const shape = x.shape.with(-1, k);
  return { values: Part(both, { index: 0, shape }), indices: Part(both, { index: 1, shape, to: "int64" }) };
}
