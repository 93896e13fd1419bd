/** @file Graph → ONNX. Parameters are inputs, so a program holds no weights. */

import { ShapeError } from "../core/errors.ts";
import { toFloat16 } from "../formats/float16.ts";
import {
  encodeOnnx,
  type OnnxAttribute,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValueInfo,
} from "../formats/onnx.ts";
import type { Attribute } from "../graph/op.ts";
import { elements } from "../graph/shape.ts";
import type { DType, Value } from "../graph/value.ts";
import { After, Part } from "../ops/index.ts";
import { countKernels } from "./kernels.ts";
import { lower } from "./lower.ts";
import { resolve, schedule } from "./schedule.ts";
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

/** Emit the program that computes `outputs`, in their order as far as they do not depend on each other. */
export function emit(outputs: Record<string, Value>, target: Target): Emitted {
  const { model, kernels } = build(outputs, target);
  const bytes = encodeOnnx({ ...model, node: model.node.toReversed() }); // see schedule.ts
  return { bytes, inputs: model.input, outputs: model.output, nodes: model.node.length, kernels };
}

/** The same as a model that is not serialised yet, its nodes each after what it needs. */
export const emitModel = (outputs: Record<string, Value>, target: Target): OnnxModel => build(outputs, target).model;

function build(outputs: Record<string, Value>, target: Target): { model: OnnxModel; kernels: number } {
  const { order, outputs: values } = schedule(lower(Object.values(outputs), target));
  const names = nameValues(order, Object.keys(outputs), values);
  const initializer = new Map<string, OnnxTensor>();
  const operand = (value: Value): string => {
    const x = resolve(value);
    if (x.data === undefined) return names.get(x)!;
    const tensor = encodeConstant(x);
    initializer.set(tensor.name, tensor);
    return tensor.name;
  };
  const parts = partNames(order, names);
  const nodes = order
    .filter(({ node }) => node && node.op !== After && node.op !== Part)
    .map((value) => encodeNode(value, operand, parts.get(value) ?? [names.get(value)!]));
  for (const [i, name] of Object.keys(outputs).entries())
    if (names.get(values[i]!) !== name)
      nodes.push({ opType: "Identity", domain: "", input: [operand(values[i]!)], output: [name], attribute: [] });

  const info = (name: string, { dtype, shape }: Value): OnnxValueInfo => ({ name, elemType: dtype, shape });
  const input = order.filter(({ node, data }) => !node && data === undefined).map((value) => info(value.name!, value));
  const output = Object.entries(outputs).map(([name, value]) => info(name, value));
  const opset = { "": target.opset, "com.microsoft": 1 };
  const model: OnnxModel = { opset, node: nodes, input, output, initializer: [...initializer.values()] };
  return { model, kernels: countKernels(order) };
}

/** Inputs keep their names, outputs get theirs, everything between is numbered. */
function nameValues(
  order: readonly Value[],
  outputNames: readonly string[],
  outputs: readonly Value[],
): Map<Value, string> {
  const names = new Map<Value, string>();
  outputs.forEach((value, i) => {
    if (value.node && value.node.op !== After && !names.has(value)) names.set(value, outputNames[i]!);
  });
  for (const value of order) if (!names.has(value)) names.set(value, value.name ?? `%${names.size}`);
  return names;
}

/** What the outputs are called of those nodes that have several. */
function partNames(order: readonly Value[], names: ReadonlyMap<Value, string>): Map<Value, string[]> {
  const parts = new Map<Value, string[]>();
  for (const value of order) {
    if (value.node?.op !== Part) continue;
    const whole = value.node.inputs[0]!;
    const known = parts.get(whole) ?? [];
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

function encodeAttribute([name, value]: [string, Attribute]): OnnxAttribute {
  if (typeof value === "number") return { name, type: "INT", i: value };
  if (typeof value === "string") return { name, type: "STRING", s: value };
  if ("float" in value) return { name, type: "FLOAT", f: value.float };
  return { name, type: "INTS", ints: value };
}

const constantNames = new WeakMap<object, string>();
let constantCount = 0;

/** A constant as an initializer; equal small constants get equal names. */
function encodeConstant({ dtype, shape, data }: Value): OnnxTensor {
  const count = elements(shape);
  let name: string;
  if (typeof data === "number" || data!.length <= 16) name = `=${dtype}[${shape}]${JSON.stringify(data)}`;
  else {
    name = constantNames.get(data!) ?? `=${++constantCount}`;
    constantNames.set(data!, name);
  }
  const values = typeof data === "number" ? new Array<number>(count).fill(data) : Array.from(data!);
  if (values.length !== count)
    throw new ShapeError(`A constant of shape [${shape}] was given ${values.length} elements.`);
  return { name, elemType: dtype, dims: shape as number[], rawData: encodeElements(dtype, values) };
}

function encodeElements(dtype: DType, values: number[]): Uint8Array {
  const array = {
    float32: () => Float32Array.from(values),
    float64: () => Float64Array.from(values),
    int32: () => Int32Array.from(values),
    int64: () => BigInt64Array.from(values, BigInt),
    uint8: () => Uint8Array.from(values),
    bool: () => Uint8Array.from(values),
    float16: () => Uint16Array.from(values, toFloat16),
  }[dtype]();
  return new Uint8Array(array.buffer);
}
