/** @file What each execution provider has as a kernel, measured with one-node models, and where it keeps states. */

import type { OpInfo, TargetName } from "../graph/op.ts";
import type { DType } from "../graph/value.ts";

/** Where states are between runs. "shared": in host memory, where programs compute. "device": on the device. */
export type Residency = "shared" | "device";

export type Target = {
  readonly name: TargetName;
  /** The version of ONNX that programs are written in. */
  readonly opset: number;
  /** Whether there is a kernel of this op for this element type. */
  has(op: OpInfo, dtype: DType): boolean;
  /** Whether a product with a transposed left matrix is better spelled as Gemm with transA than as Transpose and Gemm. */
  readonly gemmTransA: boolean;
  /** The same for the right matrix and transB. */
  readonly gemmTransB: boolean;
  /** Whether what is better differs from adapter to adapter, and is measured. */
  readonly measured?: boolean;
  /** Whether FusedMatMul reads a stack of matrices whose rows are the first axis of all. */
  readonly readsRowsFirst?: boolean;
  /** Whether launches cost enough to spell the same in fewer kernels. */
  readonly fewKernels?: boolean;
  /**
   * Where `fewKernels`: the elements of the largest tensors that are made on purpose: scores of attention of whole rows, those
   * of a block of queries where they are more, and logits.
   */
  readonly pieces?: { readonly whole: number; readonly scores: number; readonly logits: number };
  /**
   * Whether memory has room for what the backward pass reads, so that nothing is computed twice and no order is held. Where
   * nothing else is said, CUDA's has, and WebGPU's, of which the standard tells nothing, has not.
   */
  readonly keeps?: boolean;
  /**
   * Whether tensors are joined and cut by a table of every index of the axis, which is copied to the device: of single elements
   * it takes a hundred times what these do.
   */
  readonly cutsByTables?: boolean;
  /** The element types whose sums over rows or columns are fewer kernels as products with vectors, and no less exact. */
  readonly sumsByProducts?: readonly DType[];
  /** Elements from which a product and what is added to it are one Gemm, so that the two never exist beside each other. */
  readonly accumulates: number;
  /** Elements of float32 that every device binds to a kernel; larger tensors are worked on in pieces. */
  readonly binds?: number;
  /** The element types of weights that it has kernels to widen to float32. */
  readonly widens: readonly DType[];
  readonly residency: Residency;
};

const cpu: Target = {
  name: "cpu",
  opset: 21,
  has: kernelsOf("cpu"),
  gemmTransA: false,
  gemmTransB: true,
  readsRowsFirst: true,
  accumulates: 2 ** 22, // Gemm copies what it adds to on one thread: slower where memory does not count
  widens: ["float32", "float16", "uint16", "int8"],
  residency: "shared",
};

const webgpu: Target = {
  name: "webgpu",
  opset: 21,
  has: kernelsOf("webgpu"),
  gemmTransA: true,
  measured: true,
  gemmTransB: false, // its Gemm reads such a matrix at a fifth of the rate: test/bench/results/gpu-2026-11-26.md
  fewKernels: true,
  pieces: { whole: 2 ** 25, scores: 2 ** 25, logits: 2 ** 25 }, // what it binds: a larger Softmax is cut and joined again
  sumsByProducts: ["float32"],
  accumulates: 0,
  binds: 2 ** 25,
  widens: ["float32", "float16"],
  residency: "device",
};

const cuda: Target = {
  name: "cuda",
  opset: 21,
  has: kernelsOf("cuda"),
  gemmTransA: true,
  gemmTransB: true,
  fewKernels: true,
  pieces: { whole: 2 ** 28, scores: 2 ** 28, logits: 2 ** 27 },
  keeps: true,
  cutsByTables: true,
  accumulates: 0,
  widens: cpu.widens,
  residency: "device",
};

/** A product with a transposed matrix as one Gemm, or as Transpose and a product. */
export const SPELLINGS = ["Gemm", "Transpose"] as const;

/** How the transposed products of training are spelled: x·Wᵀ of the forward pass, and dyᵀ·x of a weight's gradient. */
export type Spelling = Record<"forward" | "weight_gradient", (typeof SPELLINGS)[number]>;

export const spellingOf = ({ gemmTransA, gemmTransB }: Target): Spelling => ({
  forward: gemmTransB ? "Gemm" : "Transpose",
  weight_gradient: gemmTransA ? "Gemm" : "Transpose",
});

export const spelled = (target: Target, { forward, weight_gradient }: Spelling): Target => ({
  ...target,
  gemmTransA: weight_gradient === "Gemm",
  gemmTransB: forward === "Gemm",
});

/** Files that other programs load on a provider of their choice: what all of them have, from ONNX Runtime 1.20 on. */
const portable: Target = {
  ...webgpu,
  name: "portable",
  opset: 21,
  has: kernelsOf("portable"),
  gemmTransA: false,
  gemmTransB: true,
  fewKernels: false,
  accumulates: Infinity,
  binds: Infinity,
};

/** A device with memory of its own where that is short: what is cheap is computed again, in the order that keeps least. */
export const sparing = (target: Target): Target =>
  target.pieces ? { ...target, keeps: false, pieces: webgpu.pieces! } : target;

/** The same where it is not. */
export const keeping = (target: Target): Target =>
  target.pieces ? { ...target, keeps: true, pieces: targets[target.name].pieces! } : target;

export const targets = { cpu, webgpu, cuda, portable };

/** ONNX names start with a capital letter; compositions that every target expands do not. */
function kernelsOf(target: TargetName): Target["has"] {
  return ({ type, spelling }, dtype) => /^[A-Z]/.test(type) && (spelling?.kernels?.[target]?.includes(dtype) ?? true);
}
