/** @file The IR: immutable values that remember how they were made. A graph is nothing but its outputs. */

import type { OpInfo } from "./op.ts";

export type DType = "float32" | "float16" | "float64" | "int32" | "int64" | "bool";

/** A size, or the name of one known only at run time, such as "batch". Equal names are equal sizes. */
export type Dim = number | string;

export type TensorType = { readonly dtype: DType; readonly shape: readonly Dim[] };

export type Value = TensorType & {
  /** Set on inputs and parameters; every other value is named when the graph is emitted. */
  readonly name?: string;
  /** Set on constants: one number that fills the shape, or the elements in row-major order. */
  readonly data?: number | ArrayLike<number>;
  /** How this value is computed. Absent on inputs, parameters and constants. */
  readonly node?: Node;
};

export type Node = { readonly op: OpInfo; readonly inputs: readonly Value[]; readonly attrs: object };

export const input = (name: string, dtype: DType, shape: readonly Dim[]): Value => ({ name, dtype, shape });

export const scalar = (data: number, dtype: DType = "float32"): Value => ({ data, dtype, shape: [] });

export const constant = (data: ArrayLike<number>, dtype: DType, shape: readonly number[] = [data.length]): Value => ({
  data,
  dtype,
  shape,
});

const ranges = new Map<string, Value>();

/** 0, 1, … size - 1 as a constant of this shape; the same value for the same arguments. */
export function range(size: number, dtype: DType, shape: readonly number[]): Value {
  const key = `${dtype} ${size} [${shape}]`;
  const made =
    ranges.get(key) ??
    constant(
      Float64Array.from({ length: size }, (_, i) => i),
      dtype,
      shape,
    );
  ranges.set(key, made);
  return made;
}

/** Every value that `outputs` depend on, each after its inputs. */
export const toposort = (...outputs: Value[]): Value[] => toposortUntil(() => false, outputs);

/** Like toposort, without the values for which `stop` holds and what only they depend on. Iterative, for deep graphs. */
export function toposortUntil(stop: (value: Value) => boolean, outputs: readonly Value[]): Value[] {
  const order: Value[] = [];
  const seen = new Set<Value>();
  const stack: [value: Value, done: boolean][] = outputs.toReversed().map((value) => [value, false]);
  for (let top = stack.pop(); top; top = stack.pop()) {
    const [value, done] = top;
    if (done) order.push(value);
    else if (!seen.has(value) && !stop(value)) {
      seen.add(value);
      stack.push([value, true]);
      const inputs = value.node?.inputs ?? [];
      for (let i = inputs.length - 1; i >= 0; i--) stack.push([inputs[i]!, false]);
    }
  }
  return order;
}
