/**
 * @file The small models that the runtime itself needs. They are spelled in bytes here: loading a library of protobufs would
 * take as long as starting the thread that needs them.
 */

import { ELEMENT_TYPES, type OnnxValueInfo } from "../formats/onnx-types.ts";
import type { DType } from "../graph/value.ts";

/** y = x · x of 2 × 2 matrices: what a device must be able to do. */
export function squareModel() {
  const input = { name: "x", elemType: "float32", shape: [2, 2] } as const satisfies OnnxValueInfo;
  const output = { ...input, name: "y" };
  const node = [field(1, "x"), field(1, "x"), field(2, "y"), field(4, "MatMul")];
  return { bytes: encode(node, input, output), input, output };
}

/** What the node is called that copies, in profiles too. */
const COPY = "copy";

/** y = x, of tensors of `rank` axes, by an op that GPUs have for more element types than Identity. */
export function copyModel(dtype: DType, rank: number): Uint8Array {
  const shape = Array.from({ length: rank }, (_, i) => `d${i}`);
  const to = [...field(1, "to"), ...field(3, ELEMENT_TYPES[dtype]), ...field(20, INT)];
  const node = [field(1, "x"), field(2, "y"), field(3, COPY), field(4, "Cast"), field(5, to)];
  return encode(node, { name: "x", elemType: dtype, shape }, { name: "y", elemType: dtype, shape });
}

/** AttributeProto.AttributeType. */
const INT = 2;

/** A ModelProto of a node; fields are in the order of their numbers in onnx.proto3. */
function encode(node: readonly number[][], input: OnnxValueInfo, output: OnnxValueInfo): Uint8Array {
  const graph = [
    ...field(1, node.flat()),
    ...field(2, "program"),
    ...field(11, valueInfo(input)),
    ...field(12, valueInfo(output)),
  ];
  const opset = field(2, 21); // of the domain "", which is what no domain means
  return Uint8Array.from([...field(1, 10), ...field(2, "distill"), ...field(7, graph), ...field(8, opset)]);
}

function valueInfo({ name, elemType, shape }: OnnxValueInfo): number[] {
  const dims = shape.flatMap((size) => field(1, typeof size === "number" ? field(1, size) : field(2, size)));
  const tensor = [...field(1, ELEMENT_TYPES[elemType]), ...field(2, dims)];
  return [...field(1, name), ...field(2, field(1, tensor))];
}

/** A field of a protobuf message: a number, or a text or a message with its length before it. */
function field(number: number, value: number | string | readonly number[]): number[] {
  if (typeof value === "number") return [...varint(number << 3), ...varint(value)];
  const bytes = typeof value === "string" ? [...Buffer.from(value)] : value;
  return [...varint((number << 3) | 2), ...varint(bytes.length), ...bytes];
}

const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)]);
