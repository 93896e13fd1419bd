/**
 * @file A program that computes a graph for each of several micro-batches in one run, and sums what it gives: an ONNX Loop.
 *
 * It is for devices to which every run copies what it reads, and from which it copies what it gives. The states that the
 * graph reads are outer values of the Loop's body, so they are copied once a run, and only the sums come back. Calling ONNX
 * Runtime's C API through an FFI library could keep states on such a device for good, but would be a second runtime beside
 * the package's, with lifetimes that JavaScript does not know of; with enough micro-batches a step there is little to gain.
 */

import { ShapeError } from "../core/errors.ts";
import {
  ELEMENT_BYTES,
  layOutOnnx,
  type OnnxGraph,
  type OnnxNode,
  type OnnxValueInfo,
  type StoredTensor,
} from "../formats/onnx.ts";
import { rewrite } from "../graph/rewrite.ts";
import { elements } from "../graph/shape.ts";
import { input, scalar, type Value } from "../graph/value.ts";
import { Add, Expand, Gather, Neg, Slice } from "../ops/index.ts";
import { position } from "../ops/movement.ts";
import { countNodes, type Emitted, emitModel } from "./emit.ts";
import { eachAfterItsInputs } from "./listing.ts";
import type { Target } from "./targets.ts";

export type Accumulation = {
  /** What is summed over the micro-batches, in their order. */
  readonly sums: Record<string, Value>;
  /** Scalars that are given for each micro-batch: [micro_batches]. */
  readonly each: Record<string, Value>;
  /** Inputs of which every micro-batch has its own. All others are the same for all. */
  readonly batched: ReadonlySet<string>;
  /** Inputs that are states whose values never change: they go to the device once, when the program is compiled. */
  readonly frozen?: ReadonlySet<string>;
};

export type EmittedAccumulation = Omit<Emitted, "kernels"> & {
  /** The inputs that hold a size of every micro-batch, int64 [micro_batches, 1], and which input has it as its first. */
  readonly sizes: ReadonlyMap<string, string>;
  /** What it does not take as inputs: data files of these names, each the bytes of the state of that name. */
  readonly frozen: readonly string[];
};

/** The input that says how many micro-batches there are: an int64 scalar. */
export const COUNT = "micro_batches";

/**
 * Emit the program whose outputs are the sums and what is given for each micro-batch. A batched input is stacked:
 * [micro_batches, …]. Where its first size is known only at run time, the tensors are padded to the largest, and the body
 * cuts each to its own size again, so that it computes what a program for that micro-batch alone would.
 */
export function emitAccumulation(accumulation: Accumulation, target: Target): EmittedAccumulation {
  const { sums, each, batched, frozen = new Set() } = accumulation;
  const iteration = input("iteration", "int64", []);
  const sizes = new Map<string, string>();
  const parts = rewrite([...Object.values(sums), ...Object.values(each)], (value) =>
    !value.node && value.name !== undefined && batched.has(value.name) ? itemOf(value, iteration, sizes) : undefined,
  );
  const names = Object.keys(sums);
  const running = parts.slice(0, names.length).map(({ dtype, shape }, i) => input(before(names[i]!), dtype, shape));
  const body = emitModel(
    {
      ...Object.fromEntries(running.map((sum, i) => [after(names[i]!), Add(sum, parts[i]!)])),
      ...Object.fromEntries(Object.keys(each).map((name, i) => [after(name), parts[names.length + i]!])),
      [after(CONDITION)]: input(before(CONDITION), "bool", []),
    },
    target,
    { listing: eachAfterItsInputs, scope: "body/" },
  );

  // 0 + x is x but for x = -0; -0 + x is x always
  const zeros = Object.fromEntries(
    running.map(({ dtype, shape }, i) => [`no ${names[i]}`, Expand(Neg(scalar(0, dtype)), { shape })]),
  );
  const start = emitModel(zeros, target, { scope: "start/" });
  const loop = loopNode(body, Object.keys(zeros), [...names, ...Object.keys(each)]);

  const own = new Set([iteration, ...running].map(({ name }) => name!).concat(before(CONDITION)));
  const read = body.input.filter(({ name }) => !own.has(name));
  const inputs = new Map(read.map((info) => [info.name, info]));
  inputs.set(COUNT, { name: COUNT, elemType: "int64", shape: [] });
  const constants = [...inputs.values()].filter(({ name }) => frozen.has(name)).map(dataFile);
  const graph: OnnxGraph = {
    node: [...start.node, loop],
    input: [...inputs.values()].filter(({ name }) => !frozen.has(name)),
    output: [
      ...running.map(({ dtype, shape }, i) => ({ name: names[i]!, elemType: dtype, shape })),
      ...Object.entries(each).map(([name, { dtype }]) => ({ name, elemType: dtype, shape: [COUNT] })),
    ],
    initializer: start.initializer,
  };
  const { head, heads } = layOutOnnx({ opset: body.opset, ...graph }, constants);
  return {
    bytes: Buffer.concat([head, ...heads]),
    inputs: graph.input,
    outputs: graph.output,
    nodes: countNodes(graph),
    sizes,
    frozen: constants.map(({ name }) => name),
  };
}

function dataFile({ name, elemType, shape }: OnnxValueInfo): StoredTensor {
  const dims = shape as number[];
  const bytes = elements(dims) * ELEMENT_BYTES[elemType];
  return { name, elemType, dims, bytes, external: { location: name, offset: 0 } };
}

const CONDITION = "condition";
const before = (name: string) => `before/${name}`;
const after = (name: string) => `after/${name}`;

/** A micro-batch's own part of a stacked input. The input of its sizes is noted. */
function itemOf({ name, dtype, shape }: Value, iteration: Value, sizes: Map<string, string>): Value {
  const [size, ...rest] = shape;
  if (rest.some((dim) => typeof dim === "string"))
    throw new ShapeError(`Only the first size of "${name}" [${shape}] may differ between micro-batches.`);
  if (typeof size !== "string") return Gather(input(name!, dtype, [COUNT, ...shape]), iteration);
  const padded = Gather(input(name!, dtype, [COUNT, `most ${size}`, ...rest]), iteration);
  const own = `${size} of each`;
  sizes.set(own, name!);
  const end = Gather(input(own, "int64", [COUNT, 1]), iteration);
  return Slice(padded, position(0), end, { axis: 0, size });
}

/** The body's outputs are the condition, the running sums, and what is given for each micro-batch. */
function loopNode(body: OnnxGraph, zeros: readonly string[], outputs: readonly string[]): OnnxNode {
  const info = (graph: OnnxValueInfo[], name: string) => graph.find((known) => known.name === name)!;
  const carried = [CONDITION, ...outputs.slice(0, zeros.length)];
  const g: OnnxGraph = {
    node: body.node,
    input: [
      { name: "iteration", elemType: "int64", shape: [] },
      ...carried.map((name) => info(body.input, before(name))),
    ],
    output: [CONDITION, ...outputs].map((name) => info(body.output, after(name))),
    initializer: body.initializer,
  };
  return {
    name: "loop",
    opType: "Loop",
    domain: "",
    input: [COUNT, "", ...zeros],
    output: [...outputs],
    attribute: [{ name: "body", type: "GRAPH", g }],
  };
}
