/** @file How sessions of ONNX Runtime are opened, and the small models that the runtime itself needs. */

import type { InferenceSession } from "onnxruntime-node";
import { encodeOnnx, type OnnxValueInfo } from "../formats/onnx.ts";
import type { DType } from "../graph/value.ts";
import type { HostOptions } from "./protocol.ts";

/** The options of each session of a host. */
export function sessionOptions({ provider, threads, strict, profile }: HostOptions) {
  let profiles = 0;
  return (): InferenceSession.SessionOptions => ({
    // looking for another layout, ONNX Runtime moves transpositions past what parts a tensor, and makes several of one
    executionProviders: [provider === "webgpu" ? { name: "webgpu", preferredLayout: "NCHW" } : provider],
    graphOptimizationLevel: "disabled", // programs arrive fused and in order; a rewrite would lose the order
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    enableMemPattern: false, // its one block for the peak comes on top of what the first run took
    logSeverityLevel: 3,
    // ONNX Runtime adds the millisecond, which two sessions may share
    ...(profile ? { enableProfiling: true, profileFilePrefix: `${profile}_${++profiles}` } : {}),
    extra: {
      session: {
        set_denormal_as_zero: "1",
        force_spinning_stop: "1", // else a session's threads wait at full speed while another session runs
        ...(strict && provider !== "cpu" ? { disable_cpu_ep_fallback: "1" } : {}),
      },
    },
  });
}

/** y = x · x of 2 × 2 matrices: what a device must be able to do. */
export function squareModel() {
  const input = { name: "x", elemType: "float32", shape: [2, 2] } as const satisfies OnnxValueInfo;
  const output = { ...input, name: "y" };
  const node = { opType: "MatMul", domain: "", input: ["x", "x"], output: ["y"], attribute: [] };
  return { bytes: encode(node, input, output), input, output };
}

/** y = x, of tensors of `rank` axes. */
export function copyModel(dtype: DType, rank: number): Uint8Array {
  const shape = Array.from({ length: rank }, (_, i) => `d${i}`);
  const node = { opType: "Identity", domain: "", input: ["x"], output: ["y"], attribute: [] };
  return encode(node, { name: "x", elemType: dtype, shape }, { name: "y", elemType: dtype, shape });
}

const encode = (node: Parameters<typeof encodeOnnx>[0]["node"][number], input: OnnxValueInfo, output: OnnxValueInfo) =>
  encodeOnnx({ opset: { "": 21 }, node: [node], input: [input], output: [output], initializer: [] });
