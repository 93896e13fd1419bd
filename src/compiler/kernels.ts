/**
 * @file How many kernels a program launches on ONNX Runtime's WebGPU provider. Its profile counts the same, but for a few
 * transpositions that it moves past slices.
 */

import type { Value } from "../graph/value.ts";

/** The kernels that a value launches. */
export const launched = ({ node }: Value): number => (node ? (node.op.launches?.(node.attrs, node.inputs) ?? 1) : 0);

/** The kernels that the values of a program launch. */
export const countKernels = (order: readonly Value[]): number => order.reduce((sum, value) => sum + launched(value), 0);
