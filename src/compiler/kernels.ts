/**
 * @file How many kernels a program launches on ONNX Runtime's WebGPU provider. Its profile counts the same, but for a few
 * transpositions that it moves past slices.
 */

import type { Value } from "../graph/value.ts";

/** What only gives the same bytes another name or type. */
const VIEWS: readonly string[] = ["After", "Part", "Reshape", "Identity", "Shape"];

/** Inputs that one kernel of Concat takes, on adapters that bind no more than they must. */
const CONCATENATED = 10;

/** The kernels that the values of a program launch. */
export const countKernels = (order: readonly Value[]): number =>
  order.reduce((sum, value) => sum + kernelsOf(value), 0);

function kernelsOf({ node }: Value): number {
  if (!node || VIEWS.includes(node.op.type)) return 0;
  const [x] = node.inputs;
  if (node.op.type === "Concat") return Math.ceil(node.inputs.length / CONCATENATED);
  if (node.op.type.startsWith("Reduce")) {
    // axes that are not the last ones are transposed to the end first
    const { axes } = node.attrs as { axes: readonly number[] };
    const rank = x!.shape.length;
    return axes.every((axis) => axis >= rank - axes.length) ? 1 : 2;
  }
  return 1;
}
