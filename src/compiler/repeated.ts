/**
 * @file Programs whose launches a GPU repeats. What ONNX Runtime copies without a kernel is not among the launches, so nothing
 * is left to be copied: neither into an output's memory, nor before a kernel that writes over what it was given.
 */

import { apply } from "../graph/op.ts";
import { rewrite } from "../graph/rewrite.ts";
import { toposort, type Value } from "../graph/value.ts";
import { After, resolve } from "../ops/after.ts";
import { Cast, Part, ScatterElements } from "../ops/index.ts";
import { launched } from "./kernels.ts";

/** The same outputs, where a kernel computes whatever would be copied. */
export function withoutCopies(outputs: readonly Value[]): Value[] {
  const readers = new Map<Value, Value[]>(outputs.map((y) => [resolve(y), [y]]));
  for (const value of toposort(...outputs)) {
    if (value.node?.op === After) continue;
    for (const x of value.node?.inputs ?? []) readers.set(resolve(x), [...(readers.get(resolve(x)) ?? []), value]);
  }
  /** Whether nothing else reads x, or what does comes before what x waits for. */
  const isLast = (x: Value, reader: Value): boolean => {
    const others = readers.get(resolve(x))!.filter((other) => other !== reader);
    const before = x.node?.op === After && others.length > 0 ? toposort(x.node.inputs[1]!) : [];
    return others.every((other) => before.includes(other)) && launched(resolve(x)) > 0;
  };
  const own = (x: Value) => Cast(x, { to: x.dtype });
  const scattered = rewrite(outputs, (value, inputs) => {
    if (value.node?.op !== ScatterElements || isLast(value.node.inputs[0]!, value)) return undefined;
    const [x, ...rest] = inputs as [Value, ...Value[]];
    return apply(value.node.op, [own(x), ...rest], value.node.attrs);
  });
  const isCopied = (y: Value) => launched(y) === 0 && !(y.node?.op === Part && launched(y.node.inputs[0]!) > 0);
  return scattered.map((y) => (isCopied(y) || y.node?.op === ScatterElements ? own(y) : y));
}
