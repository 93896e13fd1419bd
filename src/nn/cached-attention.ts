/** @file Attention of new tokens to a cache of keys and values, and to themselves, with sizes known only at run time. */

import type { Dim, DType, Value } from "../graph/value.ts";
import { scalar } from "../graph/value.ts";
import {
  Add,
  And,
  Cast,
  Concat,
  GreaterOrEqual,
  LessOrEqual,
  MatMul,
  Mul,
  Range,
  Reshape,
  Shape,
  Slice,
  Softmax,
  Transpose,
  Where,
} from "../ops/index.ts";
import { transposed } from "../ops/matmul.ts";

/** The keys and values of one layer: [batch, kv_heads, length, head_dim] each. */
export type Cache = { readonly key: Value; readonly value: Value };

export type HeadLayout = {
  num_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  /** What scores are multiplied by; 1 / √head_dim where it is not given. */
  scale?: number | undefined;
};

/**
 * q [batch, new, heads·head_dim], k and v [batch, new, kv_heads·head_dim], mask from cacheMask:
 * [batch, new, heads·head_dim], and the cache with the new tokens behind the old ones.
 */
export function cachedAttention(
  q: Value,
  k: Value,
  v: Value,
  past: Cache,
  mask: Value,
  { num_heads, num_key_value_heads, head_dim, scale = head_dim ** -0.5 }: HeadLayout,
): { output: Value; present: Cache } {
  const groups = num_heads / num_key_value_heads;
  const [batch, length] = q.shape as [Dim, Dim];
  const [, , rows, total] = mask.shape as [Dim, Dim, Dim, Dim];
  const grow = (old: Value, x: Value): Value => {
    const heads = Transpose(Reshape(x, { shape: [batch, length, num_key_value_heads, head_dim] }), {
      perm: [0, 2, 1, 3],
    });
    return Concat(old, heads, { axis: 2, size: total });
  };
  const present = { key: grow(past.key, k), value: grow(past.value, v) };
  // heads that share keys, one below the other: [batch, kv_heads, groups·new, head_dim]
  const byGroup = Transpose(
    Reshape(Mul(q, scalar(scale, q.dtype)), {
      shape: [batch, length, num_key_value_heads, groups, head_dim],
    }),
    { perm: [0, 2, 3, 1, 4] },
  );
  const queries = Reshape(byGroup, { shape: [batch, num_key_value_heads, rows, head_dim] });
  const p = Softmax(Add(MatMul(queries, transposed(present.key)), mask));
  const heads = Reshape(MatMul(p, present.value), { shape: [batch, num_key_value_heads, groups, length, head_dim] });
  const output = Reshape(Transpose(heads, { perm: [0, 3, 1, 2, 4] }), {
    shape: [batch, length, num_heads * head_dim],
  });
  return { output, present };
}

/**
 * 0 where a token is there (attention_mask int64 [batch, total] is not 0), not after the query and in its window, else what no
 * score outweighs: [batch, 1, groups·new, total]. The `length` new tokens are the last of `total`, behind those in `past`.
 */
export function cacheMask(
  attention_mask: Value,
  past: Cache,
  length: Dim,
  { num_heads, num_key_value_heads, window }: HeadLayout & { window?: number | undefined },
  dtype: DType,
): Value {
  const groups = num_heads / num_key_value_heads;
  const [batch, total] = attention_mask.shape as [Dim, Dim];
  const end = Shape(attention_mask, { axis: 1 });
  const keys = Cast(Range(Reshape(end, { shape: [] }), { size: total }), { to: "float32" });
  const queries = Slice(keys, Shape(past.key, { axis: 2 }), end, { axis: 0, size: length });
  const key = Reshape(keys, { shape: [1, 1, 1, total] });
  const query = Reshape(queries, { shape: [1, 1, length, 1] });
  const before = LessOrEqual(key, query);
  const seen = window ? And(before, GreaterOrEqual(key, Add(query, scalar(1 - window)))) : before;
  const there = Reshape(Cast(attention_mask, { to: "bool" }), { shape: [batch, 1, 1, total] });
  // finite, so that a row that sees nothing (padding before a text) stays finite: what it computes is masked, not multiplied out
  const low = dtype === "float16" ? -3e4 : -1e9;
  const mask = Where(And(seen, there), scalar(0, dtype), scalar(low, dtype));
  if (groups === 1) return mask;
  return Concat(...new Array<Value>(groups).fill(mask), { axis: 2, size: `${groups}·${length}` });
}
