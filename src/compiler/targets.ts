/** @file What each execution provider has as a kernel, measured with one-node models, and where it keeps states. */

import type { DType } from "../graph/value.ts";

/**
 * Where states are between runs. "shared": in host memory, where programs compute. "device": on the device. "copied": in
 * host memory, and each run copies those that it reads to the device, and those that it gives back to the host.
 */
export type Residency = "shared" | "device" | "copied";

export type Target = {
  readonly name: "cpu" | "webgpu" | "cuda" | "portable";
  /** The version of ONNX that programs are written in. */
  readonly opset: number;
  /** Whether there is a kernel for this op_type and element type. */
  has(type: string, dtype: DType): boolean;
  /** Whether a product with a transposed left matrix is better spelled as Gemm with transA than as Transpose and Gemm. */
  readonly gemmTransA: boolean;
  /** The same for the right matrix and transB. */
  readonly gemmTransB: boolean;
  /** Whether launches cost enough to spell the same in fewer kernels. */
  readonly fewKernels?: boolean;
  /** Elements from which a product and what is added to it are one Gemm, so that the two never exist beside each other. */
  readonly accumulates: number;
  /** Elements of float32 that every device binds to a kernel; larger tensors are worked on in pieces. */
  readonly binds?: number;
  readonly residency: Residency;
};

/** Kernels of ONNX Runtime's own that have no double; ops that are names of ours only have no kernel anywhere. */
const FUSED = ["QuickGelu", "RotaryEmbedding", "FusedMatMul", "SimplifiedLayerNormalization", "DequantizeLinear"];

const cpu: Target = {
  name: "cpu",
  opset: 21,
  has: (type, dtype) => (FUSED.includes(type) ? dtype === "float32" : isOnnx(type)) || type === "Scan",
  gemmTransA: false,
  gemmTransB: true,
  accumulates: 2 ** 22, // Gemm copies what it adds to on one thread: slower where memory does not count
  residency: "shared",
};

const webgpu: Target = {
  name: "webgpu",
  opset: 21,
  has: (type) => isOnnx(type) && type !== "LogSoftmax" && type !== "FusedMatMul",
  gemmTransA: true,
  gemmTransB: false, // its Gemm reads such a matrix at a fifth of the rate: test/bench/results/gpu-2026-11-26.md
  fewKernels: true,
  accumulates: 0,
  binds: 2 ** 25,
  residency: "device",
};

const cuda: Target = {
  name: "cuda",
  opset: 21,
  has: (type) => isOnnx(type),
  gemmTransA: true,
  gemmTransB: true,
  fewKernels: true,
  accumulates: 0,
  residency: "copied",
};

/** Files that other programs load on a provider of their choice: what all of them have. */
const portable: Target = {
  ...webgpu,
  name: "portable",
  opset: 23,
  gemmTransA: false,
  gemmTransB: true,
  fewKernels: false,
  accumulates: Infinity,
  binds: Infinity,
};

export const targets = { cpu, webgpu, cuda, portable };

/** ONNX names start with a capital letter; compositions that every target expands do not. GPUs lack Scan, or launch more in it. */
function isOnnx(type: string): boolean {
  return /^[A-Z]/.test(type) && type !== "Scan";
}
