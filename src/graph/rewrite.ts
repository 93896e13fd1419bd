import { apply } from "./op.ts";
import { toposort, type Value } from "./value.ts";

/** `outputs` with every value in `replacements` replaced, and what depends on it made again. */
export function substitute(outputs: readonly Value[], replacements: ReadonlyMap<Value, Value>): Value[] {
  const made = new Map(replacements);
  for (const value of toposort(...outputs)) {
    if (made.has(value) || !value.node) continue;
    const { op, inputs, attrs } = value.node;
    const replaced = inputs.map((x) => made.get(x) ?? x);
    if (replaced.some((x, i) => x !== inputs[i])) made.set(value, apply(op, replaced, attrs));
  }
  return outputs.map((value) => made.get(value) ?? value);
}
