/**
 * @file The same for every item along the first axis of some values, one item after the other. What an item needs on the way
 * is there for one item at a time, so that a processor's caches may hold it.
 */

import { apply, defineOp, type Op, type OpInfo } from "../graph/op.ts";
import { type Dim, input, type Value } from "../graph/value.ts";
import { Part, Reshape } from "./movement.ts";

/**
 * What is computed of items [...], and of `shared` values that are the same for all. It is applied to all items at once too,
 * [count, ...], where a device has no kernel for one after the other; so it counts axes from the last.
 */
export type Body = (items: readonly Value[], shared: readonly Value[]) => Value[];

/** A body's graph, and the inputs that stand for an item of each value and for what is shared. */
export type Trace = {
  readonly items: readonly Value[];
  readonly shared: readonly Value[];
  readonly outputs: readonly Value[];
};

/** With `matrix` items are tiles of matrices of that shape, which the body takes whole where all are computed at once. */
type Scanned = { trace: Trace; body: Body; matrix?: readonly Dim[] };

/** A node with an output for each of the body's; `Part` is one. */
export const Scan: Op<[...inputs: Value[], attrs: Scanned]> = defineOp("Scan", {
  infer({ trace }, first) {
    const [{ dtype, shape }] = trace.outputs as [Value];
    return { dtype, shape: [first!.shape[0]!, ...shape] };
  },
  parts: ({ trace }) => trace.outputs.length,
  expand({ trace, body, matrix }, ...inputs) {
    const items = inputs.slice(0, trace.items.length);
    const outputs = body(matrix ? items.map((x) => Reshape(x, { shape: matrix })) : items, inputs.slice(items.length));
    const shaped = (y: Value, i: number) =>
      matrix ? Reshape(y, { shape: [items[0]!.shape[0]!, ...trace.outputs[i]!.shape] }) : y;
    return apply(Tuple, outputs.map(shaped), {});
  },
  spelling: { kernels: { webgpu: [], cuda: [], portable: [] } }, // GPUs lack it, or launch more in it
});

/** Values that are the parts of one. */
export const Tuple: OpInfo = defineOp("tuple", { infer: (_, { dtype, shape }) => ({ dtype, shape }) });

let traces = 0;

/** What `body` gives for each of the `items`, [count, ...] each and of one element type, along a first axis. */
export function scan(
  body: Body,
  items: readonly Value[],
  shared: readonly Value[] = [],
  matrix?: readonly Dim[],
): Value[] {
  const count = items[0]!.shape[0]!;
  const inner = items.map(({ dtype, shape }, i) => input(`item ${i}`, dtype, shape.slice(1)));
  const outer = shared.map(({ dtype, shape }, i) => input(`shared ${i}`, dtype, shape));
  const number = ++traces;
  const trace = { items: inner, shared: outer, outputs: body(inner, outer), toJSON: () => number };
  const whole = Scan(...items, ...shared, { trace, body, ...(matrix ? { matrix } : {}) });
  return trace.outputs.map(({ shape }, index) => Part(whole, { index, shape: [count, ...shape] }));
}

/** Elements of a tensor that a processor's caches hold beside a few others of its size. */
const TILE = 2 ** 18;

/** What an elementwise `body` gives of matrices [rows, width], for some rows at a time. */
export function tiled(body: Body, matrices: readonly Value[]): Value[] {
  const [rows, width, ...more] = matrices[0]!.shape;
  if (typeof rows !== "number" || typeof width !== "number" || more.length > 0) return body(matrices, []);
  let tiles = Math.floor((rows * width) / TILE);
  while (tiles > 1 && rows % tiles !== 0) tiles--;
  if (tiles < 4) return body(matrices, []);
  const tilesOf = (x: Value) => Reshape(x, { shape: [tiles, rows / tiles, width] });
  return scan(body, matrices.map(tilesOf), [], [rows, width]).map((y) => Reshape(y, { shape: [rows, width] }));
}
