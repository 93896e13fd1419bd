import { ShapeError } from "../core/errors.ts";
import { defineOp, type Op } from "../graph/op.ts";
import { elements } from "../graph/shape.ts";
import { constant, type Dim, type DType, scalar, type Value } from "../graph/value.ts";

export const Transpose: Op<[x: Value, attrs: { perm: number[] }]> = defineOp("Transpose", {
  infer: ({ perm }, x) => ({ dtype: x.dtype, shape: perm.map((axis) => x.shape[axis]!) }),
  gradient: ({ dy, attrs: { perm } }) => [Transpose(dy, { perm: perm.map((_, i) => perm.indexOf(i)) })],
});

/** Same elements, other shape. Of the sizes known only at run time, all but one must be where x has them. */
export const Reshape: Op<[x: Value, attrs: { shape: readonly Dim[] }]> = defineOp("Reshape", {
  infer({ shape }, x) {
    const unknown = shape.filter((dim, i) => typeof dim === "string" && dim !== x.shape[i]).length;
    const known = [...shape, ...x.shape].every((dim) => typeof dim === "number");
    if (unknown > 1 || (known && elements(shape) !== elements(x.shape)))
      throw new ShapeError(`Reshape: cannot make [${shape}] of [${x.shape}].`);
    return { dtype: x.dtype, shape };
  },
  view: true,
  cost: "free",
  launches: () => 0,
  gradient: ({ dy }, x) => [Reshape(dy, { shape: x.shape })],
  spelling: {
    inputs: ({ shape }, [x]) => [
      x!,
      constant(
        shape.map((dim, i) => (typeof dim === "number" ? dim : dim === x!.shape[i] ? 0 : -1)),
        "int64",
      ),
    ],
    attributes: () => ({}),
  },
});

/** The same with a shape of which several sizes are known only at run time: int64 [rank]. */
export const ReshapeTo: Op<[x: Value, sizes: Value, attrs: { shape: readonly Dim[] }]> = defineOp("Reshape", {
  infer: ({ shape }, { dtype }) => ({ dtype, shape }),
  view: true,
  cost: "free",
  launches: () => 0,
  spelling: { attributes: () => ({}) },
});

/** Repeat along axes of size 1, and along new axes in front. Sizes that x has already may be known only at run time. */
export const Expand: Op<[x: Value, attrs: { shape: readonly Dim[] }]> = defineOp("Expand", {
  infer: ({ shape }, x) => ({ dtype: x.dtype, shape }),
  gradient: ({ dy }) => [dy],
  spelling: {
    inputs: ({ shape }, [x]) => [
      x!,
      constant(
        shape.map((dim) => (typeof dim === "string" ? 1 : dim)),
        "int64",
      ),
    ],
    attributes: () => ({}),
  },
});

/** Inputs that one kernel of Concat takes, on adapters that bind no more than they must. */
export const CONCATENATED = 10;

export const Concat: Op<[...xs: Value[], attrs: { axis: number; size?: Dim }]> = defineOp("Concat", {
  infer({ axis, size }, ...xs) {
    const sizes = xs.map((x) => x.shape[axis]!);
    const total = size ?? sizes.reduce<number>((sum, dim) => sum + elements([dim]), 0);
    return { dtype: xs[0]!.dtype, shape: xs[0]!.shape.with(axis, total) };
  },
  launches: (_, xs) => Math.ceil(xs.length / CONCATENATED),
  gradient({ dy, attrs: { axis } }, ...xs) {
    const known = xs.map((x) => x.shape[axis]!);
    return cut(
      dy,
      axis,
      known.map((size) => elements([size])),
    );
  },
  spelling: { attributes: ({ axis }) => ({ axis }) },
});

/** x from `start` to `end` (int64 [1], known only at run time or not) along one axis; the result has `size` there. */
export const Slice: Op<[x: Value, start: Value, end: Value, attrs: { axis: number; size: Dim }]> = defineOp("Slice", {
  infer: ({ axis, size }, x) => ({ dtype: x.dtype, shape: x.shape.with(axis, size) }),
  cost: "picked",
  // zeros before, dy, zeros after
  gradient({ dy, attrs: { axis } }, x, start, end) {
    const zeros = Expand(scalar(0, x.dtype), { shape: x.shape });
    const total = x.shape[axis]!;
    const before = Slice(zeros, position(0), start, { axis, size: `before ${nameOf(start)}` });
    const after = Slice(zeros, end, position(elements([total])), { axis, size: `after ${nameOf(end)}` });
    return [Concat(before, dy, after, { axis, size: total }), null, null];
  },
  spelling: {
    inputs: ({ axis }, [x, start, end]) => [x!, start!, end!, constant([axis], "int64")],
    attributes: () => ({}),
  },
});

/** x[start:end] along `axis`. */
export const slice = (x: Value, axis: number, start: number, end: number): Value =>
  start === 0 && end === x.shape[axis] ? x : Slice(x, position(start), position(end), { axis, size: end - start });

export const position = (index: number): Value => constant([index], "int64");

const nameOf = ({ name, data }: Value) => name ?? String(data);

/** x cut along `axis` into pieces of these sizes, of which `Part` is one; what `split` makes. */
export const Split: Op<[x: Value, attrs: { axis: number; sizes: readonly number[] }]> = defineOp("Split", {
  infer: (_, { dtype, shape }) => ({ dtype, shape }),
  parts: ({ sizes }) => sizes.length,
  spelling: {
    inputs: ({ sizes }, [x]) => [x!, constant(sizes, "int64")],
    attributes: ({ axis }) => ({ axis }),
  },
});

/** One of the outputs of a node that has several; `to` is its type, where that is not the node's. */
export const Part: Op<[pieces: Value, attrs: { index: number; shape: readonly Dim[]; to?: DType }]> = defineOp("Part", {
  infer: (attrs, { dtype }) => ({ dtype: attrs.to ?? dtype, shape: attrs.shape }),
  cost: "free",
  launches: () => 0,
});

/** Outputs of one kernel of Split, on adapters that bind no more than they must. */
const SPLIT = 7;

/** x cut along `axis` into pieces of these sizes, in one kernel. */
export function split(x: Value, axis: number, sizes: readonly number[]): Value[] {
  if (sizes.length === 1) return [x];
  const pieces = Split(x, { axis, sizes });
  return sizes.map((size, index) => Part(pieces, { index, shape: x.shape.with(axis, size) }));
}

/** The same in one kernel where it can be, else in one for each piece. */
export function cut(x: Value, axis: number, sizes: readonly number[]): Value[] {
  if (sizes.length <= SPLIT) return split(x, axis, sizes);
  let start = 0;
  return sizes.map((size) => {
    start += size;
    return slice(x, axis, start - size, start);
  });
}

/** The same with no more than `fan` outputs to a kernel, of pieces that are cut again. */
export function cutInFew(x: Value, axis: number, sizes: readonly number[], fan = SPLIT): Value[] {
  if (sizes.length <= fan) return split(x, axis, sizes);
  const width = fan ** Math.ceil(Math.log(sizes.length) / Math.log(fan) - 1);
  const groups = Array.from({ length: Math.ceil(sizes.length / width) }, (_, i) =>
    sizes.slice(i * width, (i + 1) * width),
  );
  const wholes = split(
    x,
    axis,
    groups.map((group) => group.reduce((a, b) => a + b)),
  );
  return groups.flatMap((group, i) => cutInFew(wholes[i]!, axis, group, fan));
}
