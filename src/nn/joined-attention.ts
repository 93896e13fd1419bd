/**
 * @file The attention of attention.ts for devices on which every kernel is a launch: queries, keys and values come as one
 * matrix, so that one product makes them and one transposition parts the heads, and all heads are computed at once.
 */

import { defineOp, type Op } from "../graph/op.ts";
import { type Dim, type DType, range, scalar, type Value } from "../graph/value.ts";
import {
  Add,
  After,
  And,
  Concat,
  Expand,
  GreaterOrEqual,
  LessOrEqual,
  MatMul,
  Neg,
  Reshape,
  RotaryEmbeddingOfHeads,
  Transpose,
  Where,
} from "../ops/index.ts";
import { slice, split } from "../ops/movement.ts";
import {
  type AttentionLayout,
  type Block,
  blockGradients,
  blocksOf,
  dotOfRows,
  fromKeyStart,
  padded,
  probabilities,
  visible,
} from "./attention.ts";
import type { Rotation } from "./rotary.ts";

/** Queries and keys are not rotated yet: positions int64 [rows, length], and tables of each, [length, head_dim / 2]. */
type Joined = [
  qkv: Value,
  positions: Value,
  qCos: Value,
  qSin: Value,
  kCos: Value,
  kSin: Value,
  segmentStarts: Value,
  ...keyStarts: Value[],
];

/**
 * qkv [rows·length, (heads + 2 kv_heads)·head_dim], queries first, then keys, then values: [rows·length, heads·head_dim].
 * The tables hold what scores are scaled by; the rest is as in `attention`.
 */
export const joinedAttention: Op<[...inputs: Joined, attrs: AttentionLayout]> = defineOp("joinedAttention", {
  infer: ({ num_heads, head_dim }, { dtype, shape }) => ({ dtype, shape: [shape[0]!, num_heads * head_dim] }),
  expand(layout, ...inputs) {
    const { q, k, v, segmentStarts, keyStarts } = parted(inputs, layout);
    const outputs = blocksOf(layout, keyStarts).map((block) => {
      const p = probabilities(
        queriesOf(q, block, layout),
        visible(k, block),
        mask(segmentStarts, block, layout, q.dtype),
      );
      return headsOfQueries(MatMul(p, visible(v, block)), block, layout);
    });
    return tokensOf(Concat(...outputs, { axis: 2 }));
  },
  // one block after the other where memory is short, so that one block's scores exist at a time
  gradient({ dy, y, attrs: layout }, ...inputs) {
    const { rows, length, head_dim, num_key_value_heads } = layout;
    const { q, k, v, rotations, segmentStarts, keyStarts } = parted(inputs, layout);
    const gradient = headsOf(dy, layout);
    const sums = dotOfRows(gradient, headsOf(y, layout));
    const zeros = (keys: number) => Expand(scalar(0, q.dtype), { shape: [rows, num_key_value_heads, keys, head_dim] });
    /** With zeros before and behind: one kernel and an addition, where cutting and joining the sum takes three and it. */
    const whole = (x: Value, block: Block): Value => {
      const { value, end } = padded(x, zeros(length), block);
      return end === length ? value : Concat(value, zeros(length - end), { axis: 2 });
    };
    const [dq, dk, dv]: [Value[], Value[], Value[]] = [[], [], []];
    let earlier = dy;
    for (const block of blocksOf(layout, keyStarts).reverse()) {
      const items = [
        After(queriesOf(q, block, layout), earlier), // scores are computed again
        visible(k, block),
        visible(v, block),
        queriesOf(sums, block, layout),
        queriesOf(gradient, block, layout),
      ];
      const [dQ, dK, dV] = blockGradients(items, mask(segmentStarts, block, layout, q.dtype));
      dq.unshift(headsOfQueries(dQ, block, layout));
      dk.unshift(whole(dK, block));
      dv.unshift(whole(dV, block));
      earlier = dV;
    }
    const back = ({ cos, sin }: Rotation): Rotation => ({ cos, sin: Neg(sin) });
    const dQueries = rotations.q(Concat(...dq, { axis: 2 }), back);
    const sum = (parts: readonly Value[]) => parts.reduce((all, part) => Add(all, part));
    const dKeys = rotations.k(sum(dk), back);
    return [tokensOf(Concat(dQueries, dKeys, sum(dv), { axis: 1 })), ...inputs.slice(1).map(() => null)];
  },
});

/** Heads of queries and keys, rotated, and of values: [rows, heads, length, head_dim] each. */
function parted(inputs: readonly Value[], layout: AttentionLayout) {
  const [qkv, positions, qCos, qSin, kCos, kSin, segmentStarts, ...keyStarts] = inputs as Joined;
  const { num_heads, num_key_value_heads } = layout;
  const rotation =
    (table: Rotation) =>
    (x: Value, change = (table: Rotation) => table): Value => {
      const { cos, sin } = change(table);
      return RotaryEmbeddingOfHeads(x, positions, cos, sin);
    };
  const rotations = { q: rotation({ cos: qCos, sin: qSin }), k: rotation({ cos: kCos, sin: kSin }) };
  const [q, k, v] = split(headsOf(qkv, layout), 1, [num_heads, num_key_value_heads, num_key_value_heads]);
  return { q: rotations.q(q!), k: rotations.k(k!), v: v!, rotations, segmentStarts, keyStarts };
}

/** [rows·length, heads·head_dim] → [rows, heads, length, head_dim] */
function headsOf(x: Value, { rows, length, head_dim }: AttentionLayout): Value {
  const heads = (x.shape[1] as number) / head_dim;
  return Transpose(Reshape(x, { shape: [rows, length, heads, head_dim] }), { perm: [0, 2, 1, 3] });
}

/** And back. */
function tokensOf(x: Value): Value {
  const [rows, heads, length, head_dim] = x.shape as [number, number, number, number];
  return Reshape(Transpose(x, { perm: [0, 2, 1, 3] }), { shape: [rows * length, heads * head_dim] });
}

/** The queries of a block, [rows, heads, length, n] → [rows, kv_heads, groups·queries, n] */
function queriesOf(x: Value, { start, end }: Block, layout: AttentionLayout): Value {
  const { rows, num_heads, num_key_value_heads } = layout;
  const queries = (num_heads / num_key_value_heads) * (end - start);
  return Reshape(slice(x, 2, start, end), { shape: [rows, num_key_value_heads, queries, x.shape[3]!] });
}

/** [rows, kv_heads, groups·queries, head_dim] → [rows, heads, queries, head_dim] */
const headsOfQueries = (x: Value, { start, end }: Block, { rows, num_heads, head_dim }: AttentionLayout): Value =>
  Reshape(x, { shape: [rows, num_heads, end - start, head_dim] });

/** What attention.ts masks: [rows, 1, 1, queries, keys] */
function mask(
  segmentStarts: Value,
  block: Block,
  { rows, length, window = length }: AttentionLayout,
  dtype: DType,
): Value {
  const { start, end } = block;
  const key = fromKeyStart(range(length, "float32", [1, 1, 1, 1, length]), block, 4);
  const query = slice(range(length, "float32", [1, 1, 1, length, 1]), 3, start, end);
  const starts = slice(Reshape(segmentStarts, { shape: [rows, 1, 1, length, 1] as Dim[] }), 3, start, end);
  const causal = And(GreaterOrEqual(key, starts), LessOrEqual(key, query));
  const first = Add(query, scalar(1 - window, "float32"));
  const seen = window < length ? And(causal, GreaterOrEqual(key, first)) : causal;
  return Where(seen, scalar(0, dtype), scalar(dtype === "float16" ? -6e4 : -1e9, dtype));
}
