/**
 * @file How many nodes a program has, and how many kernels they launch on ONNX Runtime's WebGPU provider. Its profile counts
 * the same.
 */

import type { Value } from "../graph/value.ts";
import { After } from "../ops/after.ts";
import { Part } from "../ops/index.ts";

/** The kernels that a value launches. */
export const launched = ({ node }: Value): number => (node ? (node.op.launches?.(node.attrs, node.inputs) ?? 1) : 0);

/** ONNX nodes, and the kernels that they launch on a GPU. */
export type Count = { nodes: number; kernels: number };

/** The nodes of a program's values by the type of their op, those of bodies left out. */
export function countKinds(order: readonly Value[]): Map<string, Count> {
  const kinds = new Map<string, Count>();
  for (const value of order) {
    const { node } = value;
    if (!node || node.op === After || node.op === Part) continue;
    const known = kinds.get(node.op.type) ?? { nodes: 0, kernels: 0 };
    const kernels = launched(value);
    kinds.set(node.op.type, { nodes: known.nodes + 1, kernels: known.kernels + kernels });
  }
  return kinds;
}

/** The kernels of all kinds together. */
export const sumOfKernels = (kinds: ReadonlyMap<string, Count>): number =>
  [...kinds.values()].reduce((sum, { kernels }) => sum + kernels, 0);
