/**
 * @file The order in which a file lists its nodes. ONNX Runtime runs them in an order of its own: a depth-first search from
 * the nodes that nothing consumes, which of several takes the one that is listed last. So the list is made such that the
 * search retraces the order that we want.
 */

import { postorder, type Value } from "../graph/value.ts";
import { After, resolve } from "../ops/after.ts";
import { Part } from "../ops/index.ts";

/** Lists the nodes of a depth-first order of values. */
export type Listing = (order: readonly Value[]) => Value[];

/** For files that other programs read. Parts are outputs of the nodes that they are parts of. */
export const asOrdered: Listing = (order) => order.filter(({ node }) => node && node.op !== After && node.op !== Part);

/** What computes x: the node that it is a part of, or x itself. */
export function producer(x: Value): Value {
  const value = resolve(x);
  return value.node?.op === Part ? producer(value.node.inputs[0]!) : value;
}

/** For a model's graph, where ONNX Runtime does not ask that a node is listed after what it needs: it runs as ordered. */
export const backwards: Listing = (order) => asOrdered(order).reverse();

/**
 * For a body, where it does ask. It runs as ordered but for small stretches: from the end of the list, next is what the
 * search is to find first, of all that is consumed by nothing but nodes that are listed already.
 */
export const eachAfterItsInputs: Listing = (order) => {
  const { leaves, inputsOf } = search(backwards(order));
  const found = preorder(leaves, inputsOf);
  const consumers = new Map<Value, number>();
  for (const value of found) for (const x of inputsOf(value)) consumers.set(x, (consumers.get(x) ?? 0) + 1);
  const turn = new Map(found.map((value, i) => [value, i]));
  const open = new Set(leaves);
  const listed: Value[] = [];
  while (open.size > 0) {
    const next = [...open].reduce((a, b) => (turn.get(b)! < turn.get(a)! ? b : a));
    open.delete(next);
    listed.push(next);
    for (const x of inputsOf(next)) {
      consumers.set(x, consumers.get(x)! - 1);
      if (consumers.get(x) === 0) open.add(x);
    }
  }
  return listed.reverse();
};

/** Listed nodes in the order in which ONNX Runtime runs them. */
export function runtimeOrder(listed: readonly Value[]): Value[] {
  const { leaves, inputsOf } = search(listed);
  return postorder(leaves, inputsOf);
}

/** Where ONNX Runtime's search begins, and where it goes from each node. */
function search(listed: readonly Value[]): { leaves: Value[]; inputsOf(value: Value): Value[] } {
  const place = new Map(listed.map((value, i) => [value, i]));
  const inputs = new Map<Value, Value[]>();
  for (const value of listed) {
    const places = value.node!.inputs.flatMap((x) => place.get(producer(x)) ?? []);
    const latestFirst = [...new Set(places)].sort((a, b) => b - a);
    inputs.set(
      value,
      latestFirst.map((i) => listed[i]!),
    );
  }
  const consumed = new Set([...inputs.values()].flat());
  const leaves = listed.filter((value) => !consumed.has(value)).reverse();
  return { leaves, inputsOf: (value) => inputs.get(value)! };
}

/** Depth first like postorder, but every item before those that it leads to. */
function preorder<Item>(roots: readonly Item[], next: (item: Item) => readonly Item[]): Item[] {
  const seen = new Set<Item>();
  const stack = roots.toReversed();
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    if (seen.has(item)) continue;
    seen.add(item);
    stack.push(...next(item).toReversed());
  }
  return [...seen];
}
