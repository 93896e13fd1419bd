/**
 * @file The attention of attention.ts for devices on which every kernel is a launch: queries, keys and values come as one
 * matrix, so that one product makes them and one transposition parts the heads, and all heads are computed at once.
 */

import { defineOp, type Op } from "../graph/op.ts";
import { elements } from "../graph/shape.ts";
import { constant, type Dim, type DType, range, scalar, type Value } from "../graph/value.ts";
import {
  Add,
  After,
  And,
  Concat,
  Expand,
  Gather,
  GreaterOrEqual,
  LessOrEqual,
  MatMul,
  Neg,
  Reshape,
  RotaryEmbeddingOfKinds,
  Transpose,
  Where,
} from "../ops/index.ts";
import { transposed } from "../ops/matmul.ts";
import { cut, slice, split } from "../ops/movement.ts";
import {
  type AttentionLayout,
  type Block,
  blocksOf,
  dotOfRows,
  fromKeyStart,
  padded,
  probabilities,
  scoreGradients,
  visible,
} from "./attention.ts";
import type { Rotation } from "./rotary.ts";

/** Queries and keys are not rotated yet; the tables are what `headRotation` makes. */
type Joined = [qkv: Value, cos: Value, sin: Value, segmentStarts: Value, ...keyStarts: Value[]];

/**
 * Tables that rotate the queries and the keys of every token, and leave values as they are, in one kernel: of positions int64
 * [rows, length], and constants, the tables of queries and of keys, [positions, head_dim / 2].
 */
export function headRotation(positions: Value, q: Rotation, k: Rotation): Rotation {
  const [count, half] = q.cos.shape as [number, number];
  const tokens = elements(positions.shape);
  const table = (kinds: readonly Value[], rest: number): Value => {
    const width = (kinds.length + 1) * half;
    const data = new Float64Array(count * width).fill(rest);
    for (const [kind, { data: own }] of kinds.entries())
      for (let i = 0; i < count * half; i++)
        data[Math.floor(i / half) * width + kind * half + (i % half)] = (own as ArrayLike<number>)[i]!;
    const ofTokens = Gather(constant(data, q.cos.dtype, [count, width]), positions);
    return Reshape(ofTokens, { shape: [tokens * (kinds.length + 1), half] });
  };
  return { cos: table([q.cos, k.cos], 1), sin: table([q.sin, k.sin], 0) };
}

/**
 * qkv [rows·length, (heads + 2 kv_heads)·head_dim], queries first, then keys, then values: [rows·length, heads·head_dim].
 * The tables hold what scores are scaled by; the rest is as in `attention`.
 */
export const joinedAttention: Op<[...inputs: Joined, attrs: AttentionLayout]> = defineOp("joinedAttention", {
  infer: ({ num_heads, head_dim }, { dtype, shape }) => ({ dtype, shape: [shape[0]!, num_heads * head_dim] }),
  expand(layout, ...inputs) {
    const { queries, k, v, blocks, segmentStarts } = parted(inputs, layout);
    const outputs = blocks.map((block, i) => {
      const p = probabilities(queries[i]!, visible(k, block), mask(segmentStarts, block, layout, k.dtype));
      return headsOfQueries(MatMul(p, visible(v, block)), block, layout);
    });
    return tokensOf(Concat(...outputs, { axis: 2 }));
  },
  // one block after the other where memory is short, so that one block's scores exist at a time
  gradient({ dy, y, attrs: layout }, ...inputs) {
    const { rows, length, head_dim, num_key_value_heads } = layout;
    const { queries, k, v, blocks, turned, segmentStarts } = parted(inputs, layout);
    const gradient = headsOf(dy, layout);
    const gradients = queriesOf(gradient, blocks, layout);
    const sums = queriesOf(dotOfRows(gradient, headsOf(y, layout)), blocks, layout);
    const zeros = (keys: number) =>
      Expand(scalar(0, k.dtype), { shape: [rows, 2 * num_key_value_heads, keys, head_dim] });
    /** With zeros before and behind: one kernel and an addition, where cutting and joining the sum takes three and it. */
    const whole = (x: Value, block: Block): Value => {
      const { value, end } = padded(x, zeros(length), block);
      return end === length ? value : Concat(value, zeros(length - end), { axis: 2 });
    };
    const scores: { dS: Value; keys: Value; block: Block }[] = [];
    let earlier: Value | undefined;
    let sum: Value | undefined; // of the gradients of keys, then values: [rows, 2 kv_heads, length, head_dim]
    for (const [i, block] of [...blocks.entries()].reverse()) {
      const inTurn = (x: Value) => After(x, earlier ?? dy); // scores are computed again
      const [q, dO, keys] = [inTurn(queries[i]!), inTurn(gradients[i]!), visible(k, block)];
      const items = [q, keys, visible(v, block), sums[i]!, dO];
      const { p, dS } = scoreGradients(items, mask(segmentStarts, block, layout, k.dtype));
      earlier = Concat(MatMul(transposed(dS), After(queries[i]!, dS)), MatMul(transposed(p), dO), { axis: 1 });
      sum = sum ? Add(sum, whole(earlier, block)) : whole(earlier, block);
      scores.unshift({ dS, keys, block });
    }
    const dQ = scores.map(({ dS, keys, block }) => headsOfQueries(MatMul(After(dS, sum!), keys), block, layout));
    const back = turned(Concat(Concat(...dQ, { axis: 2 }), sum!, { axis: 1 }), Neg);
    return [tokensOf(back), ...inputs.slice(1).map(() => null)];
  },
});

/** Heads of queries and keys, rotated, and of values: [rows, heads, length, head_dim] each, queries by block. */
function parted(inputs: readonly Value[], layout: AttentionLayout) {
  const [qkv, cos, sin, segmentStarts, ...keyStarts] = inputs as Joined;
  const { rows, length, head_dim, num_heads, num_key_value_heads } = layout;
  const kinds = [num_heads, num_key_value_heads, num_key_value_heads];
  const turned = (x: Value, change = (sin: Value) => sin): Value => {
    const alone = Reshape(x, { shape: [(x.shape[1] as number) * rows, 1, length, head_dim] });
    return Reshape(RotaryEmbeddingOfKinds(alone, cos, change(sin), { rows, kinds }), { shape: x.shape });
  };
  const [q, k, v] = split(turned(headsOf(qkv, layout)), 1, kinds) as [Value, Value, Value];
  const blocks = blocksOf(layout, keyStarts);
  return { queries: queriesOf(q, blocks, layout), k, v, blocks, turned, segmentStarts };
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

/** The queries of each block, [rows, heads, length, n] → [rows, kv_heads, groups·queries, n] */
function queriesOf(x: Value, blocks: readonly Block[], layout: AttentionLayout): Value[] {
  const { rows, num_heads, num_key_value_heads } = layout;
  const sizes = blocks.map(({ start, end }) => end - start);
  return cut(x, 2, sizes).map((part, i) => {
    const queries = (num_heads / num_key_value_heads) * sizes[i]!;
    return Reshape(part, { shape: [rows, num_key_value_heads, queries, x.shape[3]!] });
  });
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
