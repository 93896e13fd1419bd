/**
 * @file Programs whose launches a GPU repeats. What ONNX Runtime copies without a kernel is not among the launches, so nothing
 * is left to be copied: neither into an output's memory, nor before a kernel that writes over what it was given.
 */

import { apply } from "../graph/op.ts";
import { rewrite } from "../graph/rewrite.ts";
import { toposort, type Value } from "../graph/value.ts";
import { Cast, ScatterElements } from "../ops/index.ts";
import { launched } from "./kernels.ts";

/** The same outputs, where a kernel computes whatever would be copied. */
export function withoutCopies(outputs: readonly Value[]): Value[] {
  const uses = new Map<Value, number>();
  for (const { node } of toposort(...outputs)) for (const x of node?.inputs ?? []) uses.set(x, (uses.get(x) ?? 0) + 1);
  for (const y of outputs) uses.set(y, (uses.get(y) ?? 0) + 1);
  const lone = (x: Value) => uses.get(x) === 1 && launched(x) > 0;
  const own = (x: Value) => Cast(x, { to: x.dtype });
  const scattered = rewrite(outputs, (value, inputs) => {
    if (value.node?.op !== ScatterElements || lone(value.node.inputs[0]!)) return undefined;
    const [x, ...rest] = inputs as [Value, ...Value[]];
    return apply(value.node.op, [own(x), ...rest], value.node.attrs);
  });
  return scattered.map((y) => (launched(y) === 0 || y.node?.op === ScatterElements ? own(y) : y));
}
