import { apply } from "./op.ts";
import { toposort, type Value } from "./value.ts";

/** `outputs` made again, with `replace` asked at each value; it may return another one, made of the new inputs. */
export function rewrite(
  outputs: readonly Value[],
  replace: (value: Value, inputs: readonly Value[]) => Value | undefined,
): Value[] {
  const made = new Map<Value, Value>();
  for (const value of toposort(...outputs)) {
    const inputs = value.node?.inputs.map((x) => made.get(x)!) ?? [];
    made.set(value, replace(value, inputs) ?? remade(value, inputs));
  }
  return outputs.map((value) => made.get(value)!);
}

function remade(value: Value, inputs: readonly Value[]): Value {
  if (!value.node || inputs.every((x, i) => x === value.node!.inputs[i])) return value;
  return apply(value.node.op, inputs, value.node.attrs);
}

/** `outputs` with every value in `replacements` replaced, and what depends on it made again. */
export const substitute = (outputs: readonly Value[], replacements: ReadonlyMap<Value, Value>): Value[] =>
  rewrite(outputs, (value) => replacements.get(value));
