import { ShapeError } from "../core/errors.ts";
import type { Dim } from "./value.ts";

type Shape = readonly Dim[];

/** Join two shapes by the NumPy rule: sizes are equal, or one of them is 1. */
export function broadcast(a: Shape, b: Shape): Dim[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x === y || y === 1) return x;
    if (x === 1) return y;
    throw new ShapeError(`Cannot broadcast [${a}] with [${b}]: ${x} and ${y} differ on axis ${i}.`);
  });
}

/** The axes over which `target` was repeated to become `from`. */
export function broadcastAxes(from: Shape, target: Shape): number[] {
  const extra = from.length - target.length;
  return from.flatMap((dim, i) => (i < extra || (target[i - extra] === 1 && dim !== 1) ? [i] : []));
}

export const sameShape = (a: Shape, b: Shape) => a.length === b.length && a.every((dim, i) => dim === b[i]);

/** The number of elements. Throws where a size is known only at run time. */
export function elements(shape: Shape): number {
  return shape.reduce<number>((product, dim) => {
    if (typeof dim === "string") throw new ShapeError(`The size of [${shape}] is known only at run time.`);
    return product * dim;
  }, 1);
}
