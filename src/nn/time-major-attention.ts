/** @file Attention where time is the first axis, so that a cache grows at its end. */

import { type Dim, type DType, scalar, type Value } from "../graph/value.ts";
import {
  Add,
  And,
  Concat,
  GreaterOrEqual,
  LessOrEqual,
  MatMul,
  Reshape,
  Softmax,
  Transpose,
  Where,
} from "../ops/index.ts";
import type { Cache, HeadLayout } from "./cached-attention.ts";

/**
 * What new tokens attend to, [new, batch, heads·head_dim], of their queries, scaled and shaped alike, the keys and values of
 * all tokens, [total, batch, kv_heads, head_dim], and a mask from timeMajorMask.
 */
export function timeMajorAttention(
  q: Value,
  { key, value }: Cache,
  mask: Value,
  { num_heads, num_key_value_heads, head_dim }: HeadLayout,
): Value {
  const groups = num_heads / num_key_value_heads;
  const [length, batch] = q.shape as [Dim, Dim];
  const queries = rowsOf(q, [batch, num_key_value_heads, groups, head_dim]);
  const scores = MatMul(queries, Transpose(key, { perm: [1, 2, 3, 0] })); // [batch, kv_heads, groups·new, total]
  const heads = MatMul(Softmax(Add(scores, mask)), Transpose(value, { perm: [1, 2, 0, 3] }));
  if (length === 1) return Reshape(heads, { shape: [1, batch, num_heads * head_dim] });
  const apart = Reshape(heads, { shape: [batch, num_key_value_heads, groups, length, head_dim] });
  return Reshape(Transpose(apart, { perm: [3, 0, 1, 2, 4] }), { shape: q.shape });
}

/** [new, batch, heads·head_dim] → [batch, kv_heads, groups·new, head_dim]: heads that share keys, one below the other */
function rowsOf(q: Value, [batch, kv, groups, size]: [Dim, number, number, number]): Value {
  const length = q.shape[0]!;
  if (length === 1) return Reshape(q, { shape: [batch, kv, groups, size] });
  const apart = Transpose(Reshape(q, { shape: [length, batch, kv, groups, size] }), { perm: [1, 2, 3, 0, 4] });
  return Reshape(apart, { shape: [batch, kv, together(groups, length), size] });
}

const together = (groups: number, length: Dim): Dim => (groups === 1 ? length : `${groups}·${length}`);

/**
 * 0 where a key is neither before the `first` nor behind the `last` that a new token sees, else what no score outweighs:
 * [batch, 1, new, total], for each of `groups` heads that share keys. keys float32 [1, 1, 1, total] counts them, first is
 * [batch, 1, new, 1] and last [1, 1, new, 1]; the only new token sees the last of all.
 */
export function timeMajorMask(
  { keys, first, last }: { keys: Value; first: Value; last?: Value | undefined },
  groups: number,
  dtype: DType,
): Value {
  const behind = GreaterOrEqual(keys, first);
  const seen = last ? And(behind, LessOrEqual(keys, last)) : behind;
  // finite, so that a row that sees nothing (padding before a text) stays finite
  const mask = Where(seen, scalar(0, dtype), scalar(dtype === "float16" ? -3e4 : -1e9, dtype));
  const length = mask.shape[2]!;
  if (length === 1 || groups === 1) return mask;
  return Concat(...new Array<Value>(groups).fill(mask), { axis: 2, size: together(groups, length) });
}
