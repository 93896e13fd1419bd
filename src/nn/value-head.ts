import { input, type Value } from "../graph/value.ts";
import { Add, Cast } from "../ops/index.ts";
import { linear } from "./linear.ts";

/** The inputs of a linear layer by name, and what it makes of hidden states [n, width]: a number of each, float32 [n, 1]. */
export function headValues(hidden: Value, { weight, bias }: { weight: string; bias: string }) {
  const w = input(weight, hidden.dtype, [1, hidden.shape.at(-1)!]);
  const b = input(bias, hidden.dtype, [1]);
  const product = Add(linear(hidden, w), b);
  const values = product.dtype === "float16" ? Cast(product, { to: "float32" }) : product;
  return { values, weights: { [weight]: w, [bias]: b } };
}
