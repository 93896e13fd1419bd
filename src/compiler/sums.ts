/** @file Sums of products of matrices, in fewer kernels and less memory. */

import { apply } from "../graph/op.ts";
import { rewrite } from "../graph/rewrite.ts";
import { elements, sameShape } from "../graph/shape.ts";
import { type Dim, toposort, type Value } from "../graph/value.ts";
import { Add, MatMul } from "../ops/index.ts";
import { Gemm } from "../ops/matmul.ts";

/** Sums, of so many elements, of a product of matrices and something else as one Gemm, where nothing else uses the product. */
export function fuseSums(outputs: readonly Value[], least: number): Value[] {
  if (least === Infinity) return [...outputs];
  const uses = new Map<Value, number>();
  const use = (x: Value) => uses.set(x, (uses.get(x) ?? 0) + 1);
  outputs.forEach(use);
  for (const { node } of toposort(...outputs)) node?.inputs.forEach(use);

  return rewrite(outputs, ({ node, shape }, inputs) => {
    if (node?.op !== Add || (least > 0 && !isLarge(shape, least))) return undefined;
    for (const i of [1, 0]) {
      const [product, other] = [inputs[i]!, inputs[1 - i]!];
      if (uses.get(node.inputs[i]!) !== 1 || !sameShape(product.shape, shape)) continue;
      const made = product.node;
      const matrices = made?.op === MatMul && made.inputs.every((x) => x.shape.length === 2);
      if (matrices || (made?.op === Gemm && made.inputs.length === 2))
        return apply(Gemm, [...made!.inputs, other], matrices ? { transA: 0, transB: 0 } : made!.attrs);
    }
    return undefined;
  });
}

const isLarge = (shape: readonly Dim[], least: number) =>
  shape.every((dim) => typeof dim === "number") && elements(shape) >= least;
