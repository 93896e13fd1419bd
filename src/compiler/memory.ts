/** @file What a program will need before it is run: memory by liveness in the order in which it runs, and work. */

import type { DType, Value } from "../graph/value.ts";
import { resolve } from "../ops/after.ts";
import { Part, Scan, Split } from "../ops/index.ts";
import type { Trace } from "../ops/scan.ts";
import { Arena, type Chunk } from "./arena.ts";
import { backwards, producer, runtimeOrder } from "./listing.ts";
import { lower } from "./lower.ts";
import { schedule } from "./schedule.ts";
import type { Target } from "./targets.ts";

/** Sizes that are known only at run time, by name. */
export type Sizes = (name: string) => number;

export type Estimate = {
  /** The most that is alive at once, outputs with it, inputs without. */
  peak_bytes: number;
  /** What ONNX Runtime's CPU allocator takes for that, and keeps. */
  arena_bytes: number;
  /** Of each input, by its name. */
  input_bytes: ReadonlyMap<string, number>;
  output_bytes: number;
  /** Of products of matrices: two for each multiplication and addition. */
  flops: number;
  /** What all other nodes read and write. */
  moved_bytes: number;
  nodes: number;
};

/** Estimate the program that computes `outputs` on `target`, as emit would write it. */
export const estimate = (outputs: Record<string, Value>, target: Target, sizes: Sizes): Estimate =>
  estimator(Object.values(outputs), target)(sizes);

/** The same for one program and several sizes: it is lowered and put in order once. */
export function estimator(outputs: readonly Value[], target: Target): (sizes: Sizes) => Estimate {
  const program = schedule(lower([...outputs], target), backwards, target);
  const nodes = withParts(runtimeOrder(program.listed), program.order);
  const bodies = new Map<Value, (sizes: Sizes) => Estimate>();
  for (const value of nodes) {
    if (value.node!.op !== Scan) continue;
    const { trace } = value.node!.attrs as { trace: Trace };
    bodies.set(value, estimator(trace.outputs, target));
  }
  return (sizes) => estimateNodes(program, nodes, bodies, sizes);
}

function estimateNodes(
  { order, outputs: results }: ReturnType<typeof schedule>,
  nodes: readonly Value[],
  bodies: ReadonlyMap<Value, (sizes: Sizes) => Estimate>,
  sizes: Sizes,
): Estimate {
  const bytes = (value: Value) => (hasParts(value) ? 0 : elementsOf(value, sizes) * WIDTHS[value.dtype]);
  const kept = new Set(results.map(resolve));
  const last = lastUses(nodes);

  // values that share memory have one owner; a buffer is freed when the last reader of any of them has run
  const owner = new Map<Value, Value>();
  const ownerOf = (value: Value): Value => owner.get(value) ?? value;
  const end = new Map<Value, number>();
  const size = new Map<Value, number>();
  const freedAt = new Map<number, Value[]>();
  const extend = (value: Value, until: number) => end.set(value, Math.max(end.get(value) ?? 0, until));

  nodes.forEach((value, now) => {
    const inputs = value.node!.inputs.map(resolve);
    const shared = sharedInput(
      value,
      inputs,
      (x) => x.node !== undefined && last.get(x) === now && !kept.has(x),
      bytes,
    );
    const at = shared ? ownerOf(shared) : value;
    owner.set(value, at);
    if (!shared) size.set(value, bytes(value));
    extend(at, kept.has(value) ? Number.POSITIVE_INFINITY : (last.get(value) ?? now));
  });
  for (const [value, until] of end) {
    if (!size.has(value)) continue;
    const others = freedAt.get(until);
    if (others) others.push(value);
    else freedAt.set(until, [value]);
  }

  let [alive, peak, flops, moved, count] = [0, 0, 0, 0, nodes.length];
  const arena = new Arena();
  const chunks = new Map<Value, Chunk>();
  nodes.forEach((value, now) => {
    const taken = size.get(value);
    if (taken !== undefined) {
      alive += taken;
      chunks.set(value, arena.allocate(taken));
    }
    peak = Math.max(peak, alive);
    if (value.node!.op === Scan) {
      const body = bodies.get(value)!(sizes);
      const items = value.node!.inputs[0]!.shape[0] as number;
      const scratch = body.peak_bytes - body.output_bytes; // of one item, beside its outputs
      peak = Math.max(peak, alive + scratch);
      arena.release(arena.allocate(scratch));
      flops += items * body.flops;
      moved += items * body.moved_bytes;
      count += body.nodes;
    } else {
      const product = productFlops(value, sizes);
      flops += product;
      if (product === 0) moved += movedBy(value, bytes);
    }
    for (const freed of freedAt.get(now) ?? []) {
      alive -= size.get(freed)!;
      arena.release(chunks.get(freed)!);
    }
  });
  const inputs = order.filter(({ node, data }) => !node && data === undefined);
  const sum = (values: readonly Value[]) => values.reduce((total, value) => total + bytes(value), 0);
  return {
    peak_bytes: peak,
    arena_bytes: arena.touched,
    input_bytes: new Map(inputs.map((value) => [value.name!, bytes(value)])),
    output_bytes: sum(results),
    flops,
    moved_bytes: moved,
    nodes: count,
  };
}

const WIDTHS: Record<DType, number> = {
  float64: 8,
  int64: 8,
  float32: 4,
  int32: 4,
  float16: 2,
  bfloat16: 2,
  uint16: 2,
  uint8: 1,
  int8: 1,
  bool: 1,
};

/** Nodes, each with its parts behind it. */
function withParts(nodes: readonly Value[], order: readonly Value[]): Value[] {
  const parts = new Map<Value, Value[]>();
  for (const value of order)
    if (value.node?.op === Part) parts.set(producer(value), [...(parts.get(producer(value)) ?? []), value]);
  return nodes.flatMap((value) => [value, ...(parts.get(value) ?? [])]);
}

/** What is nothing but its parts. */
const hasParts = ({ node }: Value) => node?.op.parts !== undefined;

/** The elements of a value; another shape of one has as many, whether or not its sizes have known names. */
function elementsOf(value: Value, sizes: Sizes): number {
  let x = value;
  while (x.node?.op.view) x = resolve(x.node.inputs[0]!);
  return x.shape.reduce<number>((product, dim) => product * (typeof dim === "number" ? dim : sizes(dim)), 1);
}

/** Bytes that a node reads and writes. */
function movedBy(value: Value, bytes: (x: Value) => number): number {
  const { op, inputs } = value.node!;
  if (op.cost === "free") return 0;
  if (op === Split) return 2 * bytes(resolve(inputs[0]!));
  const written = bytes(value);
  if (op.cost === "picked") return 2 * written;
  return inputs.reduce((sum, x) => sum + bytes(resolve(x)), written);
}

/** The place of each value's last reader. */
function lastUses(nodes: readonly Value[]): Map<Value, number> {
  const last = new Map<Value, number>();
  nodes.forEach(({ node }, now) => {
    for (const x of node!.inputs) last.set(resolve(x), now);
  });
  return last;
}

/** The input whose memory the result takes: always that of what it is a view of, else one of its size that ends here. */
function sharedInput(
  value: Value,
  inputs: readonly Value[],
  endsHere: (x: Value) => boolean,
  bytes: (x: Value) => number,
): Value | undefined {
  const { op } = value.node!;
  if (op.view) return inputs[0]!.node ? inputs[0] : undefined;
  if (!op.inPlace) return undefined;
  return inputs.find((x) => endsHere(x) && x.dtype === value.dtype && bytes(x) === bytes(value));
}

function productFlops(value: Value, sizes: Sizes): number {
  const { op, inputs, attrs } = value.node!;
  if (op.cost !== "product") return 0;
  const left = resolve(inputs[0]!);
  const inner = (attrs as { transA?: 0 | 1 }).transA ? left.shape.at(-2)! : left.shape.at(-1)!;
  return 2 * elementsOf(value, sizes) * (typeof inner === "number" ? inner : sizes(inner));
}
