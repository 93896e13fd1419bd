/** @file Which node of a program a device has no kernel for, in a sentence. */

import { alone, kindsOfNodes } from "../compiler/alone.ts";
import type { Target } from "../compiler/targets.ts";
import { DistillError } from "../core/errors.ts";
import { holdsFractions } from "../graph/op.ts";
import { type DType, type Node, toposort, type Value } from "../graph/value.ts";

/** ONNX Runtime's words for a program of which a device has not every kernel; not all of them say which it lacks. */
const MISSING =
  /Could not find an implementation for|Type Error: Type 'tensor\(|Provider type for \w+ node|Unsupported data type: 16|graph nodes that are assigned to the default CPU EP|No Op registered for/;

const saysMissing = ({ message }: Error): boolean => MISSING.test(message);

/**
 * `error` as a sentence, where it says that a device lacks a kernel for the program that computes `outputs`. `failure` gives
 * the error with which the device refuses to open the program of a value, if it does.
 */
export async function namingKernel(
  error: Error,
  outputs: readonly Value[],
  { name, target }: { name: string; target: Target },
  failure: (y: Value) => Promise<Error | undefined>,
): Promise<Error> {
  if (!saysMissing(error)) return error;
  const outside = [...toposort(...outputs).filter(({ node, data }) => !node && data === undefined), ...outputs];
  if (outside.some(({ dtype }) => dtype === "bfloat16"))
    return new DistillError(
      `A program on device "${name}" takes and gives no bfloat16. Feed its bits as uint16, and BitCast them inside.`,
    );
  for (const node of kindsOfNodes(outputs, target)) {
    const refusal = await failure(alone(node));
    if (!refusal || !saysMissing(refusal)) continue;
    const others = await otherTypes(node, failure);
    const cure =
      others.length === 0
        ? "Compute it in other ops, or take another device."
        : `It has one for ${others.join(", ")}: Cast to ${others.length === 1 ? "that" : "one of them"}, or take another device.`;
    return new DistillError(`Device "${name}" has no kernel for ${describe(node)}. ${cure}`);
  }
  return error;
}

/** Where of bool, float64; Cast of int64 to float32 */
function describe(node: Node): string {
  const { op, inputs, attrs } = node;
  const types = new Set(inputs.map(({ dtype }) => dtype));
  const made = op.infer(attrs, ...inputs).dtype;
  return `${op.type} of ${[...types].join(" and ")}${types.has(made) || made === "bool" ? "" : ` to ${made}`}`;
}

const COMPUTED: readonly DType[] = ["float32", "float16", "float64", "int32", "int64"];

/** The element types for which there is the same node in place of that of its first input; those of its kind if there are. */
async function otherTypes(node: Node, failure: (y: Value) => Promise<Error | undefined>): Promise<DType[]> {
  const own = node.inputs.find(({ dtype }) => dtype !== "bool")?.dtype ?? "bool";
  const found: DType[] = [];
  for (const dtype of COMPUTED)
    if (dtype !== own && !(await failure(alone(node, (given) => (given === own ? dtype : given))))) found.push(dtype);
  const alike = found.filter((dtype) => holdsFractions(dtype) === holdsFractions(own));
  return alike.length > 0 ? alike : found;
}
