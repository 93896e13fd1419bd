/** @file The small models that the runtime itself needs. */

import { ELEMENT_TYPES, encodeOnnx, type OnnxValueInfo } from "../formats/onnx.ts";
import type { DType } from "../graph/value.ts";

/** y = x · x of 2 × 2 matrices: what a device must be able to do. */
export function squareModel() {
  const input = { name: "x", elemType: "float32", shape: [2, 2] } as const satisfies OnnxValueInfo;
  const output = { ...input, name: "y" };
  const node = { opType: "MatMul", domain: "", input: ["x", "x"], output: ["y"], attribute: [] };
  return { bytes: encode(node, input, output), input, output };
}

/** What the node is called that copies, in profiles too. */
const COPY = "copy";

/** y = x, of tensors of `rank` axes, by an op that GPUs have for more element types than Identity. */
export function copyModel(dtype: DType, rank: number): Uint8Array {
  const shape = Array.from({ length: rank }, (_, i) => `d${i}`);
  const attribute = [{ name: "to", type: "INT" as const, i: ELEMENT_TYPES[dtype] }];
  const node = { name: COPY, opType: "Cast", domain: "", input: ["x"], output: ["y"], attribute };
  return encode(node, { name: "x", elemType: dtype, shape }, { name: "y", elemType: dtype, shape });
}

const encode = (node: Parameters<typeof encodeOnnx>[0]["node"][number], input: OnnxValueInfo, output: OnnxValueInfo) =>
  encodeOnnx({ opset: { "": 21 }, node: [node], input: [input], output: [output], initializer: [] });
