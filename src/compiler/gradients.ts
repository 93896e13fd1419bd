/** @file Reverse-mode automatic differentiation, as a function from graph to graph. */

import { DistillError } from "../core/errors.ts";
import { apply, isFloat } from "../graph/op.ts";
import { broadcastAxes, sameShape } from "../graph/shape.ts";
import { scalar, toposortUntil, type Value } from "../graph/value.ts";
import { resolve, strictlyAfter } from "../ops/after.ts";
import { Add, After, Expand, ReduceSum, Reshape, Transpose } from "../ops/index.ts";

/** The gradient of the scalar `loss` with respect to each of `params`. */
export const gradients = (loss: Value, params: readonly Value[]): Value[] =>
  reverse(loss, scalar(1, loss.dtype), params);

/** The gradient of <y, dy> with respect to each of `xs`, which are taken as independent of each other. */
function reverse(y: Value, dy: Value, xs: readonly Value[]): Value[] {
  const independent = new Set(xs);
  const order = toposortUntil((value) => independent.has(value), [y]);
  const active = new Set(xs);
  for (const value of order)
    if (isFloat(value.dtype) && computedFrom(value).some((x) => active.has(x))) active.add(value);

  const grads = new Map<Value, Value>([[y, dy]]);
  const again = recomputer(independent);
  for (const value of order.reverse()) {
    const reached = grads.get(value);
    if (!reached || !value.node || !active.has(value)) continue;
    const { op, inputs, attrs } = value.node;
    if (!op.gradient)
      throw new DistillError(
        `${op.type} has no gradient. Give it one in src/ops, or keep it off the path from parameters to the loss.`,
      );
    const y = isCheap(value) ? again(value, reached) : value;
    // what y is computed again from is as good; where dy is known beforehand the backward pass begins at once, and there is
    // nothing to keep values for
    const remade = y === value ? inputs.map((x) => again(x, reached)) : y.node!.inputs;
    const operands = reached.data === undefined ? remade : inputs;
    op.gradient({ dy: reached, y, attrs, gradients: reverse }, ...operands).forEach((dx, i) => {
      const x = inputs[i]!;
      if (!dx || !active.has(x)) return;
      const sum = grads.get(x);
      const part = unbroadcast(dx, x);
      grads.set(x, sum ? Add(sum, part) : part);
    });
  }
  return xs.map((x) => grads.get(x) ?? Expand(scalar(0, x.dtype), { shape: x.shape }));
}

/** What a value's elements depend on: not what an After only waits for. */
const computedFrom = ({ node }: Value): readonly Value[] =>
  node?.op === After ? node.inputs.slice(0, 1) : (node?.inputs ?? []);

/** x itself, or x computed again once `dy` is there, if its op is cheap: then it need not be kept from the forward pass. */
function recomputer(independent: ReadonlySet<Value>): (x: Value, dy: Value) => Value {
  const made = new Map<Value, Value>();
  const again = (x: Value, dy: Value): Value => {
    if (!x.node || !isCheap(x) || independent.has(x)) return x;
    const inputs = x.node.inputs.map((from) => (isCheap(from) ? again(from, dy) : from.node ? later(from, dy) : from));
    const value = made.get(x) ?? apply(x.node.op, inputs, x.node.attrs);
    made.set(x, value);
    return value;
  };
  return again;
}

/** x, not before dy is there: what is made of weights alone is a copy of them, of which there is one at a time at any rate. */
const later = (x: Value, dy: Value): Value => (resolve(x).node ? After(x, dy) : strictlyAfter(x, dy));

/** A transposition is as cheap as what it transposes: most products take it in, and it is one pass for the others. */
const isCheap = ({ node }: Value): boolean =>
  node?.op.cheap === true || (node?.op === Transpose && isCheap(node.inputs[0]!));

/** Sum `dx` over the axes along which `x` was broadcast. The only place that knows about broadcasting. */
function unbroadcast(dx: Value, x: Value): Value {
  if (sameShape(dx.shape, x.shape)) return dx;
  const axes = broadcastAxes(dx.shape, x.shape);
  const sum = axes.length > 0 ? ReduceSum(dx, { axes }) : dx;
  return sameShape(sum.shape, x.shape) ? sum : Reshape(sum, { shape: x.shape });
}
