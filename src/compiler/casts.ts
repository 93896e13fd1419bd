/** @file Casts of many small inputs as one: for devices on which every kernel is a launch. */

import { rewrite } from "../graph/rewrite.ts";
import { elements } from "../graph/shape.ts";
import { toposort, type Value } from "../graph/value.ts";
import { Cast, Concat } from "../ops/index.ts";
import { cutInFew } from "../ops/movement.ts";

/** `outputs` with the inputs that are vectors joined before they are cast to one type, and cut apart again, where that is less. */
export function joinCasts(outputs: readonly Value[]): Value[] {
  const groups = new Map<string, Value[]>();
  for (const value of toposort(...outputs)) {
    const x = value.node?.op === Cast ? value.node.inputs[0]! : undefined;
    if (!x?.name || x.shape.length !== 1 || typeof x.shape[0] !== "number") continue;
    const key = `${x.dtype} ${value.dtype}`;
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  const made = new Map<Value, Value>();
  for (const casts of groups.values()) {
    if (casts.length < LEAST) continue;
    const joined = Concat(...casts.map(({ node }) => node!.inputs[0]!), { axis: 0 });
    const sizes = casts.map(({ shape }) => elements(shape));
    const pieces = cutInFew(Cast(joined, { to: casts[0]!.dtype }), 0, sizes);
    for (const [i, cast] of casts.entries()) made.set(cast, pieces[i]!);
  }
  return made.size > 0 ? rewrite(outputs, (value) => made.get(value)) : [...outputs];
}

/** From here on a join, a cast and the cuts are fewer kernels than the casts by themselves. */
const LEAST = 5;
