import type { Value } from "../graph/value.ts";
import { Cast, LogSoftmax } from "../ops/index.ts";
import { linear } from "./linear.ts";

/** hidden W', in float32 where hidden is in half precision: hidden [n, width], head W [vocab, width]: [n, vocab]. */
export function logitsOf(hidden: Value, head: Value): Value {
  const logits = linear(hidden, head);
  return logits.dtype === "float16" ? Cast(logits, { to: "float32" }) : logits;
}

/** log softmax of these. */
export const predicted = (hidden: Value, head: Value): Value => LogSoftmax(logitsOf(hidden, head));
