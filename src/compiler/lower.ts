/** @file From what the graph means to what a device runs: expansion, common subexpressions, fused products. */

import { apply, type OpInfo } from "../graph/op.ts";
import { elements } from "../graph/shape.ts";
import { toposortUntil, type Value } from "../graph/value.ts";
import { isLoose } from "../ops/after.ts";
import { MatMul, Part, Transpose } from "../ops/index.ts";
import { FusedMatMul, Gemm, rowsBehindStacks, transposed } from "../ops/matmul.ts";
import { Tuple } from "../ops/scan.ts";
import { joinCasts } from "./casts.ts";
import { fuseLocally, isSwap } from "./fuse.ts";
import { scatteredInPieces, softmaxInPieces, whereInPieces } from "./pieces.ts";
import { fuseSums } from "./sums.ts";
import type { Target } from "./targets.ts";

/** `outputs` in ops that `target` has, each computed once. */
export function lower(outputs: readonly Value[], target: Target): Value[] {
  const intern = interner();
  const lowered = new Map<Value, Value>();
  const visit = (roots: readonly Value[]): void => {
    for (const value of toposortUntil((value) => lowered.has(value), roots)) {
      const { node } = value;
      if (!node) lowered.set(value, intern(value));
      else {
        const inputs = node.inputs.map((x) => lowered.get(x)!);
        const whole = node.op.expand && !target.has(node.op, value.dtype);
        if (whole) {
          for (const x of inputs) lowered.set(x, x);
          const few = target.sumsByProducts && node.op.inFewKernels?.(node.attrs, ...inputs);
          const expanded = few ?? node.op.expand!(node.attrs, ...inputs);
          visit([expanded]);
          lowered.set(value, lowered.get(expanded)!);
        } else {
          if (target.keeps && isLoose(node)) {
            lowered.set(value, inputs[0]!); // what it would have computed again is there
            continue;
          }
          const made = fuse(node.op, inputs, node.attrs, target);
          const { binds = Number.POSITIVE_INFINITY } = target;
          const most = made.dtype === "float16" ? 2 * binds : binds;
          const cut = scatteredInPieces(made, binds) ?? whereInPieces(made, binds) ?? softmaxInPieces(made, most);
          const fitting = cut ?? made;
          const fused = target.fewKernels ? fuseLocally(fitting, target) : fitting;
          if (fused === made) lowered.set(value, intern(made));
          else {
            for (const x of inputs) lowered.set(x, x);
            visit([fused]);
            lowered.set(value, lowered.get(fused)!);
          }
        }
      }
    }
  };
  visit(outputs);
  const all = outputs.map((value) => lowered.get(value)!);
  return fuseSums(target.fewKernels ? joinCasts(all) : all, target.accumulates);
}

/** Return the first of all values that are computed alike. */
function interner(): (value: Value) => Value {
  const numbers = new Map<Value | OpInfo | object, number>();
  const number = (thing: Value | OpInfo | object): number => {
    const known = numbers.get(thing) ?? numbers.size;
    numbers.set(thing, known);
    return known;
  };
  const table = new Map<string, Value>();
  return (value) => {
    const key = keyOf(value, number);
    const first = table.get(key);
    if (first) return first;
    table.set(key, value);
    return value;
  };
}

function keyOf(value: Value, number: (thing: object) => number): string {
  const { node, data, dtype, shape, name } = value;
  // of one type with several outputs or with one
  if (node)
    return `${node.op.type} ${node.op.parts !== undefined} ${JSON.stringify(node.attrs)} ${node.inputs.map(number)}`;
  if (data === undefined) return `input ${name}`;
  const elements = typeof data === "number" || data.length <= 16 ? JSON.stringify(data) : `#${number(data)}`;
  return `${dtype} [${shape}] ${elements}`;
}

/** What `op` makes of `inputs`, with the transposition of a factor taken into the product where the target can. */
function fuse(op: OpInfo, inputs: readonly Value[], attrs: object, target: Target): Value {
  if (op === MatMul) {
    const [a, b] = inputs as [Value, Value];
    const matrices = a.shape.length === 2 && b.shape.length === 2;
    const left = matrices && !target.gemmTransA ? undefined : factor(a);
    const right = factor(b);
    // transposed for this product alone: one that another product had use for would be kept until then
    if (right && matrices && !target.gemmTransB) return withTransposed(a, right, b);
    if ((left || right) && matrices)
      return apply(Gemm, [left ?? a, right ?? b], { transA: left ? 1 : 0, transB: right ? 1 : 0 });
    if ((left || right) && target.has(FusedMatMul, a.dtype))
      return apply(FusedMatMul, [left ?? a, right ?? b], { transA: left ? 1 : 0, transB: right ? 1 : 0 });
    const stacks = target.readsRowsFirst && target.has(FusedMatMul, a.dtype) ? rowsFirst(b) : undefined;
    if (stacks) return apply(FusedMatMul, [a, stacks.x], { transA: 0, transB: stacks.transB, transBatchB: 1 });
  }
  if (op === Part && inputs[0]!.node?.op === Tuple) return inputs[0]!.node.inputs[(attrs as { index: number }).index]!;
  if (op === Transpose) {
    const [x] = inputs as [Value];
    const { perm } = attrs as { perm: number[] };
    if (x.node?.op === Transpose && perm.every((axis, i) => (x.node!.attrs as { perm: number[] }).perm[axis] === i))
      return x.node.inputs[0]!; // there and back
    return smallerTransposed(x) ?? apply(op, inputs, attrs);
  }
  return apply(op, inputs, attrs);
}

/** (A'B)' of matrices as B'A where B is the smaller to transpose; neither result is transposed. */
function smallerTransposed({ node, shape }: Value): Value | undefined {
  if (node?.op !== MatMul || shape.length !== 2) return undefined;
  const [left, b] = node.inputs as [Value, Value];
  const a = factor(left);
  const known = a && [...a.shape, ...b.shape].every((dim) => typeof dim === "number");
  if (!known || elements(b.shape) >= elements(a.shape)) return undefined;
  return apply(MatMul, [transposed(b), a], {});
}

/** Products of a matrix and another's transposition, by both. */
const products = new WeakMap<Value, WeakMap<Value, Value>>();

function withTransposed(a: Value, x: Value, transposition: Value): Value {
  const known = products.get(a) ?? new WeakMap<Value, Value>();
  products.set(a, known);
  const product = known.get(x) ?? apply(MatMul, [a, apply(Transpose, [x], transposition.node!.attrs)], {});
  known.set(x, product);
  return product;
}

/** x [rows, ...stacks, columns], where `value` is [...stacks, rows, columns] of it, or that with its last two axes swapped. */
function rowsFirst({ node, shape }: Value): { x: Value; transB: 0 | 1 } | undefined {
  if (node?.op !== Transpose || shape.length < 3) return undefined;
  const { perm } = node.attrs as { perm: number[] };
  const plain = rowsBehindStacks(perm.length);
  const swapped = [...plain.slice(0, -2), plain.at(-1), plain.at(-2)];
  const is = (other: readonly (number | undefined)[]) => perm.every((axis, i) => axis === other[i]);
  return is(plain) || is(swapped) ? { x: node.inputs[0]!, transB: is(swapped) ? 1 : 0 } : undefined;
}

/** x where `value` is x with its last two axes swapped. */
const factor = ({ node }: Value): Value | undefined =>
  node?.op === Transpose && isSwap((node.attrs as { perm: number[] }).perm) ? node.inputs[0] : undefined;
