/**
 * @file Weights of norms, taken into the matrices that multiply what these give: (x̂∘w) W' = x̂ (W∘w)'. With M = W∘w the gradient
 * of M is all that every micro-batch computes, without a product with w or a sum over tokens for w, and those of both follow from
 * it once a step: dW = dM∘w, and dw is the sum of dM∘W over the rows.
 */

import { rewrite } from "../graph/rewrite.ts";
import { input, toposort, type Value } from "../graph/value.ts";
import { Add, Concat, MatMul, Mul, SimplifiedLayerNormalization, Transpose, UnitNorm } from "../ops/index.ts";

/** The weight of a norm, and matrices that multiply what it gives, one below the other. */
export type Fold = { norm: string; of: readonly string[] };

/** A fold whose matrix is an input as long as gradients are made, and then what it is made of. */
type Folded = Fold & { matrix: Value; made: Value };

/** Of a norm's weight and the matrices, one below the other. */
function foldOf(weight: Value, matrices: readonly Value[]): Folded {
  const parts = matrices.flatMap((matrix) => matrix.node?.inputs ?? [matrix]);
  const of = parts.map(({ name }) => name!);
  const made = Mul(parts.length > 1 ? Concat(...parts, { axis: 0 }) : parts[0]!, weight);
  return { norm: weight.name!, of, made, matrix: input(`${of} by ${weight.name}`, made.dtype, made.shape) };
}

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
    for (const matrix of behind as Value[]) matrices.set(matrix, foldOf(weight, [matrix]));
  }
  const ones = ({ dtype, shape }: Value): Value => ({ data: 1, dtype, shape });
  const made = rewrite(outputs, (value, inputs) => {
    const { node } = value;
    if (norms.has(value)) {
      const [x, weight] = [inputs[0]!, node!.inputs[1]!];
      const attrs = node!.attrs as { epsilon: number };
      // statistics of half precision are made of what is widened, which is kept for nobody
      return x.dtype === "float16" ? SimplifiedLayerNormalization(x, ones(weight), attrs) : UnitNorm(x, attrs);
    }
    const folded = node?.op === Transpose ? matrices.get(node.inputs[0]!) : undefined;
    return folded && Transpose(folded.matrix, node!.attrs as { perm: number[] });
  });
  const folded = [...matrices.values()];
  const widths = new Set(folded.map(({ matrix }) => matrix.shape[1]));
  return widths.size > 1 ? { outputs: [...outputs], folded: [] } : { outputs: made, folded };
}

/**
 * Gradients of folded matrices, `ofMatrices`, and `others`, where those of two behind one norm are a product of both, and what
 * flows through the norm is another. The folds are then of both, one below the other; and what each matrix stands for.
 */
export function joinSiblings(
  others: readonly Value[],
  ofMatrices: readonly Value[],
  folded: readonly Folded[],
): { others: Value[]; ofMatrices: Value[]; folded: Folded[]; standIns: ReadonlyMap<Value, Value> } {
  const groups = new Map<string, number[]>();
  for (const [i, { norm }] of folded.entries()) groups.set(norm, [...(groups.get(norm) ?? []), i]);
  const pairs = [...groups.values()].filter((of) => of.length === 2) as [number, number][];
  const pairOf = new Map(pairs.flatMap((pair) => pair.map((i) => [folded[i]!.matrix, pair] as const)));
  const both = new Map(
    pairs.map((pair) => {
      const [first, second] = pair.map((i) => folded[i]!.made.node!.inputs) as [Value[], Value[]];
      return [pair, foldOf(first[1]!, [first[0]!, second[0]!])];
    }),
  );

  const values = rewrite([...others, ...ofMatrices], ({ node }, inputs) => {
    if (node?.op !== Add) return undefined;
    const [a, b] = node.inputs.map(matrixOf);
    const pair = a && b && a !== b ? pairOf.get(a) : undefined;
    if (!pair || pairOf.get(b!) !== pair) return undefined;
    const [first, second] = a === folded[pair[0]]!.matrix ? inputs : [inputs[1], inputs[0]];
    return MatMul(beside(leftOf(first!), leftOf(second!)), both.get(pair)!.matrix);
  });
  const given = values.slice(others.length);
  const joined = new Map<number, { gradient: Value; fold: Folded }>();
  for (const pair of pairs) {
    const [a, b] = pair.map((i) => productIn(given[i]!));
    if (!a || !b || a.x !== b.x) continue;
    const gradient = MatMul(Transpose(beside(a.dy, b.dy), { perm: [1, 0] }), a.x);
    joined.set(pair[0], { gradient, fold: both.get(pair)! });
  }
  const kept = folded.flatMap((_, i) => {
    const second = pairs.some(([first, other]) => other === i && joined.has(first));
    return second ? [] : [i];
  });
  return {
    others: values.slice(0, others.length),
    ofMatrices: kept.map((i) => joined.get(i)?.gradient ?? given[i]!),
    folded: kept.map((i) => joined.get(i)?.fold ?? folded[i]!),
    standIns: new Map([...folded, ...both.values()].map(({ matrix, made }) => [matrix, made])),
  };
}

const beside = (a: Value, b: Value): Value => Concat(a, b, { axis: 1 });
const leftOf = ({ node }: Value): Value => node!.inputs[0]!;
const turned = ({ node }: Value): Value | undefined =>
  node?.op === Transpose && node.inputs[0]!.shape.length === 2 ? node.inputs[0] : undefined;

/** M of dy M, which is written with its transposition transposed. */
function matrixOf({ node }: Value): Value | undefined {
  const once = node?.op === MatMul ? turned(node.inputs[1]!) : undefined;
  return once && turned(once);
}

/** Of the gradient of M in x M', which is (x'dy)'. */
function productIn(gradient: Value): { x: Value; dy: Value } | undefined {
  const product = turned(gradient)?.node;
  const x = product?.op === MatMul ? turned(product.inputs[0]!) : undefined;
  return x && { x, dy: product!.inputs[1]! };
}
