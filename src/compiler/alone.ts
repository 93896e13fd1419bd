/** @file The nodes of a program, each as a program of its own: which of them a device lacks is found by asking for each. */

import { apply } from "../graph/op.ts";
import { type DType, input, type Node, toposort, type Value } from "../graph/value.ts";
import { After, BitCast, Part, Scan, Split } from "../ops/index.ts";
import { type Trace, Tuple } from "../ops/scan.ts";
import { lower } from "./lower.ts";
import type { Target } from "./targets.ts";

/** A node of every kind that computes `outputs` on `target`, those of bodies too. */
export function* kindsOfNodes(outputs: readonly Value[], target: Target): Generator<Node> {
  const seen = new Set<string>();
  for (const { node, dtype } of toposort(...lower(outputs, target))) {
    if (!node || NO_PROGRAM.has(node.op)) continue;
    if (node.op === Scan) yield* kindsOfNodes((node.attrs as { trace: Trace }).trace.outputs, target);
    else {
      const kind = `${node.op.type} ${node.inputs.map((x) => `${x.dtype} ${x.data !== undefined}`)} ${dtype}`;
      if (!seen.has(kind)) yield node;
      seen.add(kind);
    }
  }
}

/** What computes nothing, or has several outputs, for which every provider has a kernel. */
const NO_PROGRAM = new Set<Node["op"]>([After, Part, Split, Tuple]);

/** What a node computes from inputs of its own; of elements of another type where `change` gives one for theirs. */
export function alone({ op, inputs, attrs }: Node, change: (dtype: DType) => DType = (dtype) => dtype): Value {
  const operands = inputs.map(({ data, shape, ...x }, i): Value => {
    const dtype = change(x.dtype);
    if (data !== undefined) return { data, dtype, shape };
    return dtype === "bfloat16"
      ? BitCast(input(`x${i}`, "uint16", shape), { to: dtype }) // which no program takes or gives
      : input(`x${i}`, dtype, shape);
  });
  const value = apply(op, operands, attrs);
  return value.dtype === "bfloat16" ? BitCast(value, { to: "uint16" }) : value;
}
