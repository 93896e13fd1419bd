/**
 * @file The order in which a program runs. Memory depends on it: what is recomputed, or computed in chunks, must be used
 * and freed before the next piece begins. `After` states such orders. Where ONNX Runtime would not keep one, however the
 * nodes are listed, it is made a real dependency.
 */

import { apply, isFloat, type OpInfo } from "../graph/op.ts";
import { rewrite } from "../graph/rewrite.ts";
import { elements, sameShape } from "../graph/shape.ts";
import { type DType, postorder, scalar, type Value } from "../graph/value.ts";
import { After } from "../ops/after.ts";
import { Cast, Equal, Gather, Mul, Neg, Reshape, Slice, Sub, Transpose, Where } from "../ops/index.ts";
import { position } from "../ops/movement.ts";
import { type Listing, producer, runtimeOrder } from "./listing.ts";

export type Schedule = {
  /** Every value, each after what it needs. */
  readonly order: readonly Value[];
  /** The nodes as they are to be listed. */
  readonly listed: readonly Value[];
  readonly outputs: readonly Value[];
};

/**
 * Order the values that `outputs` need, first output first, so that every After holds when ONNX Runtime runs them. With
 * `fewKernels` what makes it hold is a choice, of fewer kernels than arithmetic.
 */
export const schedule = (
  outputs: readonly Value[],
  listing: Listing,
  { fewKernels = false }: { fewKernels?: boolean | undefined } = {},
): Schedule => ordered(afterWhatIsComputed(outputs), listing, fewKernels ? chosen : dependency);

type Dependency = (x: Value, earlier: Value) => Value;

function ordered(outputs: readonly Value[], listing: Listing, dependency: Dependency): Schedule {
  const order = depthFirst(outputs, needed(outputs));
  const listed = listing(order);
  const broken = smallest(brokenOrders(order, listed));
  if (broken.size === 0) return { order, listed, outputs };
  const made = rewrite(outputs, (value, [x, earlier]) => (broken.has(value) ? dependency(x!, earlier!) : undefined));
  return ordered(made, listing, dependency);
}

/** What waits for another arrangement of a value, which nothing computes since it ended in what reads it, waits for the value. */
function afterWhatIsComputed(outputs: readonly Value[]): readonly Value[] {
  const computed = needed(outputs);
  const levels = (x: Value): number =>
    !computed.has(x) && x.node && ARRANGED.has(x.node.op) ? 1 + levels(x.node.inputs[0]!) : 0;
  const within = (x: Value, depth: number): Value => (depth === 0 ? x : within(x.node!.inputs[0]!, depth - 1));
  return rewrite(outputs, ({ node }, inputs) => {
    const depth = node?.op === After ? levels(node.inputs[1]!) : 0;
    return depth > 0 ? apply(After, [inputs[0]!, within(inputs[1]!, depth)], node!.attrs) : undefined;
  });
}

/** Ops that end in what reads them. */
const ARRANGED = new Set<OpInfo>([Transpose, Reshape, Neg]);

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

/** The Afters of `order` that ONNX Runtime would break. */
function brokenOrders(order: readonly Value[], listed: readonly Value[]): Value[] {
  const afters = order.filter(({ node }) => node?.op === After);
  if (afters.length === 0) return [];
  const run = runtimeOrder(listed);
  const time = new Map(run.map((value, i) => [value, i]));
  const firstUse = new Map<Value, number>();
  for (const [now, { node }] of run.entries())
    for (const x of node!.inputs)
      for (let value = x; value.node?.op === After; value = value.node.inputs[0]!)
        if (!firstUse.has(value)) firstUse.set(value, now);
  const broken = afters.filter((value) => {
    const earlier = time.get(producer(value.node!.inputs[1]!));
    return earlier !== undefined && (firstUse.get(value) ?? Number.POSITIVE_INFINITY) < earlier;
  });
  return broken;
}

/** Those of the smallest tensors: once their dependencies are there, others may come in their order by themselves. */
function smallest(values: readonly Value[]): ReadonlySet<Value> {
  const size = ({ shape }: Value) => elements(shape.filter((dim) => typeof dim === "number"));
  const least = Math.min(...values.map(size));
  return new Set(values.filter((value) => size(value) === least));
}

/** The same order as a dependency: x, chosen rather than something of `earlier`. */
function chosen(x: Value, earlier: Value): Value {
  if (x.dtype !== earlier.dtype || !CHOSEN.has(x.dtype)) return dependency(x, earlier);
  const fits = sameShape(x.shape, earlier.shape);
  return Where(ALWAYS, x, fits ? earlier : elementOf(earlier));
}

const ALWAYS: Value = { data: 1, dtype: "bool", shape: [] };

/** What every provider has a kernel to choose of. */
const CHOSEN = new Set<DType>(["float32", "float16", "int32"]);

/** One number of x. */
function elementOf(x: Value): Value {
  const isOne = x.shape.every((dim) => dim === 1);
  const one = isOne ? x : Slice(Reshape(x, { shape: ["elements"] }), position(0), position(1), { axis: 0, size: 1 });
  return Reshape(one, { shape: [] });
}

/** The same order as a dependency: x bit for bit, computed from `earlier` too. */
function dependency(x: Value, earlier: Value): Value {
  if (isFloat(x.dtype) && x.dtype === earlier.dtype && sameShape(x.shape, earlier.shape) && x.shape.at(-1) === 1)
    return Sub(x, Sub(earlier, earlier)); // columns as they are
  const element = elementOf(earlier);
  if (isFloat(x.dtype)) {
    const zero = Sub(element, element); // never -0
    return Sub(x, x.dtype === earlier.dtype ? zero : Cast(zero, { to: x.dtype }));
  }
  // what has no arithmetic: the only one of [x]
  const first = Mul(Cast(Equal(element, element), { to: "int32" }), scalar(0, "int32"));
  return Gather(Reshape(x, { shape: [1, ...x.shape] }), first);
}
