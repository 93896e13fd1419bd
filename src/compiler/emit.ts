/** @file Graph → ONNX. Parameters are inputs, so a program holds no weights. */

import { ShapeError } from "../core/errors.ts";
import { toBfloat16, toFloat16 } from "../formats/float16.ts";
import {
  encodeOnnx,
  type OnnxAttribute,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from "../formats/onnx.ts";
import { type Attribute, defineOp, holdsFractions, type Unary } from "../graph/op.ts";
import { substitute } from "../graph/rewrite.ts";
import { elements } from "../graph/shape.ts";
import { type DType, input, type Value } from "../graph/value.ts";
import { After, resolve } from "../ops/after.ts";
import { Part, Scan } from "../ops/index.ts";
import type { Trace } from "../ops/scan.ts";
import { type Count, countKinds, sumOfKernels } from "./kernels.ts";
import { asOrdered, backwards, eachAfterItsInputs, type Listing } from "./listing.ts";
import { lower } from "./lower.ts";
import { withoutCopies } from "./repeated.ts";
import { schedule } from "./schedule.ts";
import type { Target } from "./targets.ts";

export type Emitted = {
  /** The serialised model. */
  readonly bytes: Uint8Array;
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  /** The number of ONNX nodes. */
  readonly nodes: number;
  /** The number of kernels that they launch on a GPU. */
  readonly kernels: number;
};

/**
 * Emit the program that computes `outputs`, in their order as far as they do not depend on each other. Where its launches are
 * to be repeated, kernels compute what would be copied.
 */
export function emit(outputs: Record<string, Value>, target: Target, { repeated = false } = {}): Emitted {
  const { model, kinds } = build(outputs, target, backwards, { repeated });
  return {
    bytes: encodeOnnx(model),
    inputs: model.input,
    outputs: model.output,
    nodes: countNodes(model),
    kernels: sumOfKernels(kinds),
  };
}

/** The nodes that `emit` would write, and their kernels, by the type of their op; without those of bodies. */
export const kindsOf = (outputs: Record<string, Value>, target: Target): Map<string, Count> =>
  build(outputs, target, backwards).kinds;

/** Nodes, those of bodies with them. */
export const countNodes = ({ node }: OnnxGraph): number =>
  node.reduce(
    (sum, { attribute }) => attribute.reduce((inner, a) => inner + (a.type === "GRAPH" ? countNodes(a.g) : 0), sum + 1),
    0,
  );

/**
 * The same as a model that is not serialised yet. `scope` begins the names of all that is neither an input nor an output.
 */
export const emitModel = (
  outputs: Record<string, Value>,
  target: Target,
  { listing = asOrdered, scope = "" }: { listing?: Listing; scope?: string } = {},
): OnnxModel => build(outputs, target, listing, { scope }).model;

function build(
  outputs: Record<string, Value>,
  target: Target,
  listing: Listing,
  { scope = "", repeated = false }: { scope?: string; repeated?: boolean } = {},
): { model: OnnxModel; kinds: Map<string, Count> } {
  const own = ownNodes(lower(Object.values(outputs), target));
  const { order, listed, outputs: values } = schedule(repeated ? withoutCopies(own) : own, listing, target);
  const names = nameValues(order, Object.keys(outputs), values, scope);
  const initializer = new Map<string, OnnxTensor>();
  const nameConstant = constantNames(scope);
  const operand = (value: Value): string => {
    const x = resolve(value);
    if (x.data === undefined) return names.get(x)!;
    const name = nameConstant(x);
    if (!initializer.has(name)) initializer.set(name, encodeConstant(x, name));
    return name;
  };
  const parts = partNames(order, names);
  const nodes = listed.map((value) =>
    value.node!.op === Scan
      ? encodeScan(value, operand, names.get(value)!, parts.get(value)!, target)
      : encodeNode(value, operand, parts.get(value) ?? [names.get(value)!]),
  );

  const inputs = order.filter(({ node, data }) => !node && data === undefined);
  const model: OnnxModel = {
    opset: {
      "": Math.max(target.opset, ...order.map(({ node }) => node?.op.spelling?.opset ?? 0)),
      "com.microsoft": 1,
    },
    node: nodes,
    input: inputs.map((value) => infoOf(value.name!, value)),
    output: Object.entries(outputs).map(([name, value]) => infoOf(name, value)),
    initializer: [...initializer.values()],
  };
  return { model, kinds: countKinds(order) };
}

const infoOf = (name: string, { dtype, shape }: Value): OnnxValueInfo => ({ name, elemType: dtype, shape });

/** Outputs that are each a node of its own: a copy of what is an input, a constant or another output. */
function ownNodes(outputs: readonly Value[]): Value[] {
  const taken = new Set<Value>();
  return outputs.map((value) => {
    if (!value.node || value.node.op === After || taken.has(value)) return Identity(value);
    taken.add(value);
    return value;
  });
}

const Identity: Unary = defineOp("Identity", {
  infer: (_, { dtype, shape }) => ({ dtype, shape }),
  launches: () => 0,
});

/** Inputs keep their names, outputs get theirs, everything between is numbered. */
function nameValues(
  order: readonly Value[],
  outputNames: readonly string[],
  outputs: readonly Value[],
  scope: string,
): Map<Value, string> {
  const names = new Map(outputs.map((value, i) => [value, outputNames[i]!]));
  for (const value of order) if (!names.has(value)) names.set(value, value.name ?? `${scope}%${names.size}`);
  return names;
}

/** What the outputs are called of those nodes that have several. */
function partNames(order: readonly Value[], names: ReadonlyMap<Value, string>): Map<Value, string[]> {
  const parts = new Map<Value, string[]>();
  for (const value of order) {
    if (value.node?.op !== Part) continue;
    const whole = value.node.inputs[0]!;
    const count = whole.node!.op.parts!(whole.node!.attrs);
    const known = parts.get(whole) ?? Array.from({ length: count }, (_, i) => `${names.get(whole)} unused ${i}`);
    known[(value.node.attrs as { index: number }).index] = names.get(value)!;
    parts.set(whole, known);
  }
  return parts;
}

function encodeNode(value: Value, operand: (x: Value) => string, output: string[]): OnnxNode {
  const { op, inputs, attrs } = value.node!;
  const { domain = "", inputs: operands, attributes } = op.spelling ?? {};
  const attribute = Object.entries(attributes?.(attrs, inputs) ?? (attrs as Record<string, Attribute>)).map(
    encodeAttribute,
  );
  const input = (operands?.(attrs, inputs, value) ?? inputs).map(operand);
  return { name: output[0]!, opType: op.type, domain, input, output, attribute };
}

/** The body is a graph of its own, in which what is shared goes by the names that it has around it. */
function encodeScan(
  { node }: Value,
  operand: (x: Value) => string,
  name: string,
  parts: readonly string[],
  target: Target,
): OnnxNode {
  const { trace } = node!.attrs as { trace: Trace };
  const count = trace.items.length;
  const inputs = node!.inputs.map(operand);
  const scope = `${name}/`;
  const items = trace.items.map(({ dtype, shape }, i) => input(`${scope}item ${i}`, dtype, shape));
  const shared = trace.shared.map(({ dtype, shape }, i) => input(inputs[count + i]!, dtype, shape));
  const inner = [...items, ...shared];
  const standIns = [...trace.items, ...trace.shared].map((x, i): [Value, Value] => [x, inner[i]!]);
  const outputs = substitute(trace.outputs, new Map(standIns)).map((y, i): [string, Value] => [`${scope}${i}`, y]);
  const body = emitModel(Object.fromEntries(outputs), target, { listing: eachAfterItsInputs, scope });
  const g = { ...body, input: items.map((item) => infoOf(item.name!, item)) };
  const attribute: OnnxAttribute[] = [
    { name: "body", type: "GRAPH", g },
    { name: "num_scan_inputs", type: "INT", i: count },
  ];
  return { name: parts[0]!, opType: "Scan", domain: "", input: inputs.slice(0, count), output: [...parts], attribute };
}

function encodeAttribute([name, value]: [string, Attribute]): OnnxAttribute {
  if (typeof value === "number") return { name, type: "INT", i: value };
  if (typeof value === "string") return { name, type: "STRING", s: value };
  if ("float" in value) return { name, type: "FLOAT", f: value.float };
  return { name, type: "INTS", ints: value };
}

/**
 * Names of one program's constants: small ones are called what they hold, the arrays of others are numbered in the order in
 * which the program reads them. What else the process has emitted leaves no trace in a file.
 */
function constantNames(scope: string): (constant: Value) => string {
  const numbers = new Map<object, number>();
  return ({ dtype, shape, data }) => {
    const type = `${scope}=${dtype}[${shape}]`;
    if (typeof data === "number" || data!.length <= 16) return `${type}${JSON.stringify(data)}`;
    const number = numbers.get(data!) ?? numbers.size + 1;
    numbers.set(data!, number);
    return `${type}#${number}`;
  };
}

/** A constant as an initializer. */
function encodeConstant({ dtype, shape, data }: Value, name: string): OnnxTensor {
  const count = elements(shape);
  const values = typeof data === "number" ? new Array<number>(count).fill(data) : Array.from(data!);
  if (values.length !== count)
    throw new ShapeError(`A constant of shape [${shape}] was given ${values.length} elements.`);
  const broken = holdsFractions(dtype) ? undefined : values.find((x) => !Number.isInteger(x));
  if (broken !== undefined) throw new ShapeError(`A constant of ${dtype} was given ${broken}.`);
  return { name, elemType: dtype, dims: shape as number[], rawData: encodeElements(dtype, values) };
}

function encodeElements(dtype: DType, values: number[]): Uint8Array {
  const array = {
    float32: () => Float32Array.from(values),
    float64: () => Float64Array.from(values),
    int32: () => Int32Array.from(values),
    int64: () => BigInt64Array.from(values, BigInt),
    int8: () => Int8Array.from(values),
    uint8: () => Uint8Array.from(values),
    uint16: () => Uint16Array.from(values),
    bool: () => Uint8Array.from(values),
    float16: () => Uint16Array.from(values, toFloat16),
    bfloat16: () => Uint16Array.from(values, toBfloat16),
  }[dtype]();
  return new Uint8Array(array.buffer);
}
