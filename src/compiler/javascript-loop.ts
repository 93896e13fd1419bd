/**
 * @file An elementwise graph as one JavaScript loop. ONNX Runtime copies every output into fresh memory, which costs more
 * than an optimizer's arithmetic; a loop writes in place and passes over memory once. It computes in double.
 */

import { DistillError } from "../core/errors.ts";
import { toposort, type Value } from "../graph/value.ts";

export type JavaScriptLoop = {
  /** The body of a function of (n, arrays, scalars, results): lists in the order of the names below. */
  readonly source: string;
  /** Inputs with elements, which all have the same shape. */
  readonly arrays: readonly string[];
  readonly scalars: readonly string[];
  readonly results: readonly string[];
};

const EXPRESSIONS: Record<string, (...xs: string[]) => string> = {
  Add: (a, b) => `${a} + ${b}`,
  Sub: (a, b) => `${a} - ${b}`,
  Mul: (a, b) => `${a} * ${b}`,
  Div: (a, b) => `${a} / ${b}`,
  Neg: (a) => `-${a}`,
  Sqrt: (a) => `Math.sqrt(${a})`,
};

/** The loop that computes `outputs`, float32 tensors of one shape, from inputs of that shape and scalars. */
export function emitJavaScriptLoop(outputs: Record<string, Value>): JavaScriptLoop {
  const [before, within]: [string[], string[]] = [[], []];
  const [arrays, scalars]: [string[], string[]] = [[], []];
  const names = new Map<Value, string>();
  for (const value of toposort(...Object.values(outputs))) {
    const name = `v${names.size}`;
    const { node, data, shape } = value;
    let expression: string;
    if (node) {
      const write = EXPRESSIONS[node.op.type];
      if (!write)
        throw new DistillError(
          `A loop cannot compute ${node.op.type}. Expected one of: ${Object.keys(EXPRESSIONS).join(", ")}.`,
        );
      expression = write(...node.inputs.map((x) => names.get(x)!));
    } else if (data !== undefined) expression = String(data);
    else if (shape.length === 0) expression = `scalars[${scalars.push(value.name!) - 1}]`;
    else {
      const array = `a${arrays.push(value.name!) - 1}`;
      before.push(`const ${array} = arrays[${arrays.length - 1}];`);
      expression = `${array}[i]`;
    }
    (shape.length === 0 ? before : within).push(`const ${name} = ${expression};`);
    names.set(value, name);
  }
  Object.values(outputs).forEach((value, i) => {
    before.push(`const r${i} = results[${i}];`);
    within.push(`r${i}[i] = ${names.get(value)};`); // after every read of this element, so that results may replace inputs
  });
  const source = [...before, "for (let i = 0; i < n; i++) {", ...within, "}"].join("\n");
  return { source, arrays, scalars, results: Object.keys(outputs) };
}
