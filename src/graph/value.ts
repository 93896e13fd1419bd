/** @file The IR: immutable values that remember how they were made. A graph is nothing but its outputs. */

import type { OpInfo } from "./op.ts";

/** bfloat16 exists inside programs only: ONNX Runtime's binding takes and gives none. */
export type DType =
  | "float32"
  | "float16"
  | "bfloat16"
  | "float64"
  | "int8"
  | "uint8"
  | "uint16"
  | "int32"
  | "int64"
  | "bool";

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

/** first, first + 1, … (size of them) as a constant of this shape; the same value for the same arguments. */
export function range(size: number, dtype: DType, shape: readonly number[], first = 0): Value {
  const key = `${dtype} ${first} ${size} [${shape}]`;
  const made =
    ranges.get(key) ??
    constant(
      Float64Array.from({ length: size }, (_, i) => first + i),
      dtype,
      shape,
    );
  ranges.set(key, made);
  return made;
}

/** Every value that `outputs` depend on, each after its inputs. */
export const toposort = (...outputs: Value[]): Value[] => postorder(outputs, ({ node }) => node?.inputs ?? []);

/** Like toposort, without the values for which `stop` holds and what only they depend on. */
export function toposortUntil(stop: (value: Value) => boolean, outputs: readonly Value[]): Value[] {
  const kept = (values: readonly Value[]) => values.filter((value) => !stop(value));
  return postorder(kept(outputs), ({ node }) => kept(node?.inputs ?? []));
}

/** Depth first from each root in turn: every item once, after those that `inputsOf` names, in their order. Iterative. */
export function postorder<Item>(roots: readonly Item[], inputsOf: (item: Item) => readonly Item[]): Item[] {
  const order: Item[] = [];
  const seen = new Set<Item>();
  const stack: [item: Item, done: boolean][] = roots.toReversed().map((item) => [item, false]);
  for (let top = stack.pop(); top; top = stack.pop()) {
    const [item, done] = top;
    if (done) order.push(item);
    else if (!seen.has(item)) {
      seen.add(item);
      stack.push([item, true]);
      for (const input of inputsOf(item).toReversed()) stack.push([input, false]);
    }
  }
  return order;
}
