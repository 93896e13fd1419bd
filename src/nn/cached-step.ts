/**
 * @file Attention of one new token of each text to those before it. Their keys and values lie in two parts: a long one that
 * is only read, and a short one to which the new token is added, so that a step copies no more than the short one.
 */

import type { Dim, DType, Value } from "../graph/value.ts";
import { scalar } from "../graph/value.ts";
import {
  Add,
  And,
  Concat,
  GreaterOrEqual,
  LessOrEqual,
  MatMul,
  Mul,
  Reshape,
  Slice,
  Softmax,
  Where,
} from "../ops/index.ts";
import { transposed } from "../ops/matmul.ts";
import { position } from "../ops/movement.ts";
import type { Cache, HeadLayout } from "./cached-attention.ts";

/** The earlier tokens of some texts: those that are only read, and, after the first step since then, the more recent ones. */
export type Earlier = { past: Cache; recent?: Cache | undefined };

/** How long the parts are: int64 [1] each, the tokens of `past`, and all of them with the new one. */
export type Lengths = { past: Value; total: Value };

/**
 * q [batch, heads·head_dim], k and v [batch, kv_heads·head_dim], mask [batch, 1, 1, total]: [batch, heads·head_dim], and
 * the recent part with the new token at its end.
 */
export function stepAttention(
  q: Value,
  k: Value,
  v: Value,
  { past, recent }: Earlier,
  lengths: Lengths,
  mask: Value,
  { num_heads, num_key_value_heads, head_dim, scale = head_dim ** -0.5 }: HeadLayout,
): { output: Value; recent: Cache } {
  const groups = num_heads / num_key_value_heads;
  const [batch] = q.shape as [Dim];
  const total = mask.shape[3]!;
  const grow = (old: Value | undefined, x: Value): Value => {
    const heads = Reshape(x, { shape: [batch, num_key_value_heads, 1, head_dim] });
    return old ? Concat(old, heads, { axis: 2, size: "now" }) : heads;
  };
  const now = { key: grow(recent?.key, k), value: grow(recent?.value, v) };
  const queries = Reshape(Mul(q, scalar(scale, q.dtype)), { shape: [batch, num_key_value_heads, groups, head_dim] });
  const scores = [past.key, now.key].map((key) => MatMul(queries, transposed(key))) as [Value, Value];
  const p = Softmax(Add(Concat(...scores, { axis: 3, size: total }), mask));
  const inPast = Slice(p, position(0), lengths.past, { axis: 3, size: past.key.shape[2]! });
  const inNow = Slice(p, lengths.past, lengths.total, { axis: 3, size: now.key.shape[2]! });
  const heads = Add(MatMul(inPast, past.value), MatMul(inNow, now.value));
  return { output: Reshape(heads, { shape: [batch, num_heads * head_dim] }), recent: now };
}

/**
 * 0 where a query sees a key, else what no score outweighs: keys [1, 1, 1, total] and queries [1, 1, new, 1] are places in
 * texts that are padded on the left, starts [batch, 1, 1, 1] where each text begins.
 */
export function placeMask(keys: Value, queries: Value, starts: Value, window: number | undefined, dtype: DType): Value {
  const before = And(LessOrEqual(keys, queries), GreaterOrEqual(keys, starts));
  const seen = window ? And(before, GreaterOrEqual(keys, Add(queries, scalar(1 - window)))) : before;
  // finite, so that padding, which sees nothing, stays finite
  return Where(seen, scalar(0, dtype), scalar(dtype === "float16" ? -3e4 : -1e9, dtype));
}
