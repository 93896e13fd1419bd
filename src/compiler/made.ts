/** @file What programs make of weights alone by moving their elements: it can be made once for all runs until those change. */

import type { OpInfo } from "../graph/op.ts";
import { rewrite } from "../graph/rewrite.ts";
import { elements } from "../graph/shape.ts";
import { input, toposort, type Value } from "../graph/value.ts";
import { Concat, Mul, Reshape, Transpose } from "../ops/index.ts";
import { lower } from "./lower.ts";
import type { Target } from "./targets.ts";

/** Weights, one below the other where they are several, in a shape and transposed; read by its name. */
export type Made = {
  name: string;
  of: readonly string[];
  /** The vector by which their rows are multiplied first. */
  by?: string;
  shape: readonly number[];
  /** None where they are only joined. */
  perm?: readonly number[];
  value: Value;
};

/**
 * `outputs`, reading by their names whatever is made so of these weights; and what that is. A weight that is joined with others
 * is in one such group only, and something is made of it alone where they all are alike. Where transposed products are read as they lie it is nothing.
 */
export function madeOfWeights(
  target: Target,
  outputs: readonly Value[],
  weights: readonly { name: string }[],
): { outputs: readonly Value[]; made: readonly Made[] } {
  if (!target.fewKernels || target.gemmTransB) return { outputs, made: [] };
  const known = new Set(weights.map(({ name }) => name));
  const isWeight = (name: string) => known.has(name);
  const lowered = lower(outputs, target);
  const candidates = toposort(...lowered).flatMap((value) => madeOf(value, isWeight) ?? []);
  const groups = new Map<string, string>();
  for (const { of } of candidates)
    if (of.length > 1 && of.every((name) => !groups.has(name))) for (const name of of) groups.set(name, of.join());
  const shapes = new Map(
    toposort(...lowered).flatMap(({ name, shape }) => (name ? [[name, `${shape}`] as const] : [])),
  );
  /** Whether a group is of matrices that are all alike, of which something may be made one by one. */
  const isAlike = (group: string) => {
    const own = [...groups].flatMap(([name, of]) => (of === group ? [shapes.get(name)] : []));
    return new Set(own).size === 1;
  };
  const fits = ({ of }: Made) => {
    const group = groups.get(of[0]!) ?? of[0]!;
    return group === of.join() || (of.length === 1 && isAlike(group));
  };
  const all = new Map(candidates.filter(fits).map((made) => [made.name, made]));
  const replaced = rewrite(lowered, (value) => all.get(madeOf(value, isWeight)?.name ?? "")?.value);
  const read = new Set(toposort(...replaced).flatMap(({ name }) => name ?? []));
  return { outputs: replaced, made: [...all.values()].filter(({ name }) => read.has(name)) };
}

function madeOf({ node, shape, dtype, ...value }: Value, isWeight: (name: string) => boolean): Made | undefined {
  const isMade = (op: OpInfo | undefined) => op === Transpose || op === Concat || op === Mul;
  if (!node || !isMade(node.op)) return undefined;
  const seen = node.op === Transpose ? node.inputs[0]! : undefined;
  const bare = (x: Value): Value => (x.node?.op === Reshape ? bare(x.node.inputs[0]!) : x);
  const source: Value = seen ? bare(seen) : { node, shape, dtype, ...value };
  const [matrix, vector] = source.node?.op === Mul ? (source.node.inputs as [Value, Value]) : [source];
  const joined = matrix.node;
  if (joined && (joined.op !== Concat || (joined.attrs as { axis: number }).axis !== 0)) return undefined;
  const weights = joined ? joined.inputs : [matrix];
  const own = (x: Value, rank: number) => x.name !== undefined && x.shape.length === rank && isWeight(x.name);
  if (weights.some((x) => !own(x, 2)) || (vector && !own(vector, 1))) return undefined;
  const of = weights.map(({ name }) => name!);
  const by = vector?.name;
  const before = (seen?.shape ?? shape) as number[];
  const perm = seen && (node.attrs as { perm: number[] }).perm;
  const name = [`made of ${of.join(", ")}`, ...(by ? [`by ${by}`] : []), ...(perm ? [`[${before}] by ${perm}`] : [])];
  return {
    name: name.join(" "),
    of,
    shape: before,
    ...(by !== undefined && { by }),
    ...(perm && { perm }),
    value: input(name.join(" "), dtype, shape),
  };
}

/** The same of a matrix whose rows are those of many such weights: [count, …], of which each is one. */
export function ofMany({ shape, perm }: Pick<Made, "shape" | "perm">, rows: Value): Value {
  const count = elements(rows.shape) / elements(shape);
  const stack = Reshape(rows, { shape: [count, ...shape] });
  return perm ? Transpose(stack, { perm: [0, ...perm.map((axis) => axis + 1)] }) : stack;
}
