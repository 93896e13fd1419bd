/**
 * @file The order in which a program runs. Memory depends on it: what is recomputed, or computed in chunks, must be used
 * and freed before the next piece begins. `After` states such orders.
 *
 * ONNX Runtime fixes its order by a depth-first search from the nodes that nothing consumes, taking the highest node number
 * first. Numbering nodes backwards along our own depth-first order makes its search retrace ours. Where it would not, the
 * order is made a real dependency.
 */

import { rewrite } from "../graph/rewrite.ts";
import { postorder, scalar, type Value } from "../graph/value.ts";
import { Add, After, Cast, Mul, Reshape, Slice } from "../ops/index.ts";
import { position } from "../ops/movement.ts";

export type Schedule = {
  /** Every value, each after what it needs. */
  readonly order: readonly Value[];
  readonly outputs: readonly Value[];
};

/** Order the values that `outputs` need, first output first, so that every After holds when ONNX Runtime runs them. */
export function schedule(outputs: readonly Value[]): Schedule {
  const order = depthFirst(outputs, needed(outputs));
  const broken = brokenOrders(order);
  if (broken.size === 0) return { order, outputs };
  return schedule(
    rewrite(outputs, (value, [x, earlier]) => (broken.has(value) ? dependency(x!, earlier!) : undefined)),
  );
}

/** x, for an After: the value that is read in its place. */
export function resolve(value: Value): Value {
  let x = value;
  while (x.node?.op === After) x = x.node.inputs[0]!;
  return x;
}

/** What is computed: an After needs only the value that it passes on. */
function needed(outputs: readonly Value[]): ReadonlySet<Value> {
  const seen = new Set<Value>();
  const stack = [...outputs];
  for (let value = stack.pop(); value; value = stack.pop()) {
    if (seen.has(value)) continue;
    seen.add(value);
    stack.push(...(value.node?.op === After ? value.node.inputs.slice(0, 1) : (value.node?.inputs ?? [])));
  }
  return seen;
}

/** Our order: inputs in their order, but what must come earlier first. */
function depthFirst(outputs: readonly Value[], needed: ReadonlySet<Value>): Value[] {
  return postorder(outputs, ({ node }) => {
    const inputs = node?.inputs ?? [];
    return node?.op === After ? inputs.toReversed().filter((x) => needed.has(x)) : inputs;
  });
}

/**
 * The nodes of `order` as ONNX Runtime will run them when they are numbered backwards: depth first from what nothing
 * consumes, the earliest in our order first.
 */
export function runtimeOrder(order: readonly Value[]): Value[] {
  const nodes = order.filter(({ node }) => node && node.op !== After);
  const place = new Map(nodes.map((value, i) => [value, i]));
  const inputs = nodes.map(({ node }) => {
    const places = node!.inputs.flatMap((x) => place.get(resolve(x)) ?? []);
    return [...new Set(places)].sort((a, b) => a - b);
  });
  const consumed = new Set(inputs.flat());
  const leaves = nodes.flatMap((_, i) => (consumed.has(i) ? [] : [i]));
  return postorder(leaves, (i) => inputs[i]!).map((i) => nodes[i]!);
}

/** The Afters that ONNX Runtime's order would break. */
function brokenOrders(order: readonly Value[]): ReadonlySet<Value> {
  const afters = order.filter(({ node }) => node?.op === After);
  if (afters.length === 0) return new Set();
  const run = runtimeOrder(order);
  const time = new Map(run.map((value, i) => [value, i]));
  const firstUse = new Map<Value, number>();
  for (const [now, { node }] of run.entries())
    for (const x of node!.inputs)
      for (let value = x; value.node?.op === After; value = value.node.inputs[0]!)
        if (!firstUse.has(value)) firstUse.set(value, now);
  const broken = afters.filter((value) => {
    const earlier = time.get(resolve(value.node!.inputs[1]!));
    return earlier !== undefined && (firstUse.get(value) ?? Number.POSITIVE_INFINITY) < earlier;
  });
  return new Set(broken);
}

/** The same order as a dependency: x + 0·(an element of `earlier`). */
function dependency(x: Value, earlier: Value): Value {
  const element = Slice(Reshape(earlier, { shape: ["elements"] }), position(0), position(1), { axis: 0, size: 1 });
  const zero = Mul(Reshape(element, { shape: [] }), scalar(0, earlier.dtype));
  return Add(x, x.dtype === earlier.dtype ? zero : Cast(zero, { to: x.dtype }));
}
