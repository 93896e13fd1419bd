/**
 * @file Weights of norms, taken into the matrices that multiply what these give: (x̂∘w) W' = x̂ (W∘w)'. With M = W∘w the gradient
 * of M is all that every micro-batch computes, without a product with w or a sum over tokens for w, and those of both follow from
 * it once a step: dW = dM∘w, and dw is the sum of dM∘W over the rows.
 */

import { apply } from "../graph/op.ts";
import { rewrite } from "../graph/rewrite.ts";
import { input, toposort, type Value } from "../graph/value.ts";
import { Concat, Mul, SimplifiedLayerNormalization, Transpose } from "../ops/index.ts";

/** The weight of a norm, and matrices that multiply what it gives, one below the other. */
export type Fold = { norm: string; of: readonly string[] };

/** A fold whose matrix is an input as long as gradients are made, and then what it is made of. */
type Folded = Fold & { matrix: Value; made: Value };

/**
 * `outputs` with the weights of norms in the matrices behind them, where both are `weights`, and nothing else reads them. Widths
 * are those of the matrices' rows.
 */
export function foldNorms(
  outputs: readonly Value[],
  weights: ReadonlySet<string>,
): { outputs: Value[]; folded: Folded[] } {
  const readers = new Map<Value | string, Value[]>();
  for (const value of toposort(...outputs))
    for (const x of value.node?.inputs ?? []) {
      const key = x.name ?? x;
      readers.set(key, [...(readers.get(key) ?? []), value]);
    }
  const only = (x: Value) => readers.get(x.name ?? x)!.length === 1;
  const isWeight = (x: Value, rank: number) => x.name !== undefined && weights.has(x.name) && x.shape.length === rank;
  /** What is transposed to be multiplied with, where it is of weights alone. */
  const matrixIn = ({ node }: Value, left: Value): Value | undefined => {
    const [a, turned] = node!.inputs as [Value, Value];
    if (a !== left || !turned || turned.node?.op !== Transpose || !only(turned)) return undefined;
    const [matrix] = turned.node.inputs as [Value];
    const parts = matrix.node?.op === Concat ? matrix.node.inputs : [matrix];
    const fits = only(matrix) && matrix.shape.length === 2 && parts.every((x) => isWeight(x, 2) && only(x));
    return fits && (!matrix.node || (matrix.node.attrs as { axis: number }).axis === 0) ? matrix : undefined;
  };

  const norms = new Set<Value>();
  const matrices = new Map<Value, Folded>();
  for (const value of toposort(...outputs)) {
    if (value.node?.op !== SimplifiedLayerNormalization || outputs.includes(value)) continue;
    const weight = value.node.inputs[1]!;
    const behind = (readers.get(value) ?? []).map((reader) => matrixIn(reader, value));
    if (!isWeight(weight, 1) || !only(weight) || behind.some((matrix) => !matrix) || behind.length === 0) continue;
    norms.add(value);
    for (const matrix of behind as Value[]) {
      const of = (matrix.node?.inputs ?? [matrix]).map(({ name }) => name!);
      const { dtype, shape } = matrix;
      const made = Mul(matrix, weight);
      matrices.set(matrix, { norm: weight.name!, of, matrix: input(`${of} by ${weight.name}`, dtype, shape), made });
    }
  }
  const ones = ({ dtype, shape }: Value): Value => ({ data: 1, dtype, shape });
  const made = rewrite(outputs, (value, inputs) => {
    const { node } = value;
    if (norms.has(value)) return apply(node!.op, [inputs[0]!, ones(node!.inputs[1]!)], node!.attrs);
    const folded = node?.op === Transpose ? matrices.get(node.inputs[0]!) : undefined;
    return folded && Transpose(folded.matrix, node!.attrs as { perm: number[] });
  });
  const folded = [...matrices.values()];
  const widths = new Set(folded.map(({ matrix }) => matrix.shape[1]));
  return widths.size > 1 ? { outputs: [...outputs], folded: [] } : { outputs: made, folded };
}
