/**
 * @file Causal self-attention over packed rows, in blocks of queries. A block looks at no key before the start of the
 * earliest segment that it touches, and at none after its own end; the scores of long rows are computed again in the
 * backward pass, so that what is kept grows linearly with the length of a row.
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
  Mul,
  Neg,
  ReduceSum,
  Reshape,
  Slice,
  Softmax,
  Transpose,
  Where,
} from "../ops/index.ts";
import { transposed } from "../ops/matmul.ts";
import { position, slice } from "../ops/movement.ts";
import { type Body, scan } from "../ops/scan.ts";

export type AttentionLayout = {
  /** Rows in the batch, and tokens in a row. */
  rows: number;
  length: number;
  /** Queries in a block. */
  block: number;
  num_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  /** What scores are multiplied by; 1 / √head_dim where it is not given. */
  scale?: number | undefined;
  /** How many tokens a token sees, itself among them; its whole segment up to it where this is not given. */
  window?: number | undefined;
};

/** Rows up to this length keep their probabilities for the backward pass: no more than a layer's other values take. */
const SHORT = 256;

/**
 * q [rows·length, heads·head_dim], k and v [rows·length, kv_heads·head_dim], segmentStarts float32 [rows, length, 1, 1] (the
 * index in its row of the first token of each token's segment), keyStarts int64 [1] for each block but the first (the least
 * of these over the block): [rows·length, heads·head_dim].
 */
export const attention: Op<
  [q: Value, k: Value, v: Value, segmentStarts: Value, ...keyStarts: Value[], attrs: AttentionLayout]
> = defineOp("attention", {
  infer: (_, q) => q,
  expand(layout, q, k, v, segmentStarts, ...keyStarts) {
    const [queries, keys, values] = [scaled(q, layout), keyHeads(k, layout), keyHeads(v, layout)];
    const outputs = blocksOf(layout, keyStarts).map((block) => {
      const items = [queryHeads(queries, block, layout), visible(keys, block), visible(values, block)];
      const output = ([q, k, v]: readonly Value[], [mask]: readonly Value[]) => [
        MatMul(probabilities(q!, k!, mask!), v!),
      ];
      const [y] = headByHead(output, items, [mask(segmentStarts, block, layout, q.dtype)], layout);
      return fromQueryHeads(y!, block, layout);
    });
    return Reshape(Concat(...outputs, { axis: 1 }), { shape: q.shape });
  },
  // One block after the other, so that one block's scores exist at a time.
  gradient({ dy, y, attrs: layout }, q, key, value, segmentStarts, ...keyStarts) {
    const { rows, length, head_dim, num_key_value_heads } = layout;
    const [queries, keys, values] = [scaled(q, layout), keyHeads(key, layout), keyHeads(value, layout)];
    const zeros = Expand(scalar(0, q.dtype), { shape: [num_key_value_heads, rows, length, head_dim] });
    const [dq, dk, dv]: [Value[], Prefix[], Prefix[]] = [[], [], []];
    let earlier = dy;
    for (const block of blocksOf(layout, keyStarts).reverse()) {
      // cut out and multiplied again rather than kept since the forward pass, one block after the other; in short rows the same
      const before = earlier;
      const late = (x: Value) => (length <= SHORT ? x : After(x, before));
      const items = [
        queryHeads(queries, block, layout),
        visible(keys, block, late),
        visible(values, block, late),
        queryHeads(y, block, layout),
        queryHeads(dy, block, layout),
      ];
      const masks = [mask(segmentStarts, block, layout, q.dtype)];
      const body: Body = ([q, k, v, y, dO], [mask]) => blockGradients([q!, k!, v!, dotOfRows(dO!, y!), dO!], mask!);
      const [dQ, dK, dV] = headByHead(body, items, masks, layout) as [Value, Value, Value];
      dq.unshift(fromQueryHeads(dQ, block, layout));
      dk.unshift(padded(dK, zeros, block));
      dv.unshift(padded(dV, zeros, block));
      earlier = dV;
    }
    const dqWhole = Reshape(Concat(...dq, { axis: 1 }), { shape: q.shape });
    return [
      scaled(dqWhole, layout),
      fromKeyHeads(sumOfPrefixes(dk), key),
      fromKeyHeads(sumOfPrefixes(dv), value),
      null,
    ];
  },
});

/** A block's work for each key head in turn: scores of long rows are larger than caches. That of short rows at once. */
const headByHead = (body: Body, items: Value[], masks: Value[], { length }: AttentionLayout): Value[] =>
  length <= SHORT ? body(items, masks) : scan(body, items, masks);

/** The sums of x·y over the last axis, which stays with one element. */
export const dotOfRows = (x: Value, y: Value): Value => ReduceSum(Mul(x, y), { axes: [x.shape.length - 1] });

/**
 * With P the probabilities and D the row sums of dO·O: dV = P'dO, dS = P (dO V' - D), dQ = dS K, dK = dS'Q, which are computed
 * one after the other.
 */
function blockGradients([q, k, v, d, dO]: readonly Value[], mask: Value): [dQ: Value, dK: Value, dV: Value] {
  const { p, dS } = scoreGradients([q!, k!, v!, d!, dO!], mask);
  const dQ = MatMul(dS, k!);
  const dK = MatMul(transposed(dS), After(q!, dQ));
  const dV = MatMul(transposed(p), After(dO!, dK));
  return [dQ, dK, dV];
}

/** P and dS of these. */
export function scoreGradients([q, k, v, d, dO]: readonly Value[], mask: Value): { p: Value; dS: Value } {
  const p = probabilities(q!, k!, mask);
  return { p, dS: Mul(Add(MatMul(dO!, transposed(v!)), Neg(d!)), p) };
}

/** Queries start … end of each row look at keys from keyStart (0, or known at run time) to `end`. */
export type Block = { start: number; end: number; keyStart: Value | 0; keys: Dim };

export function blocksOf({ length, block }: AttentionLayout, keyStarts: readonly Value[]): Block[] {
  const first: Block = { start: 0, end: Math.min(block, length), keyStart: 0, keys: Math.min(block, length) };
  const others = keyStarts.map((keyStart, i): Block => {
    const start = (i + 1) * block;
    const end = Math.min(start + block, length);
    const whole = typeof keyStart.data === "object" && keyStart.data[0] === 0;
    return whole ? { start, end, keyStart: 0, keys: end } : { start, end, keyStart, keys: `keys_${i + 1}` };
  });
  return [first, ...others];
}

const scaled = (q: Value, { head_dim, scale = head_dim ** -0.5 }: AttentionLayout) =>
  scale === 1 ? q : Mul(q, scalar(scale, q.dtype));

/** [rows·length, kv_heads·head_dim] → [kv_heads, rows, length, head_dim] */
function keyHeads(x: Value, { rows, length, num_key_value_heads, head_dim }: AttentionLayout): Value {
  return Transpose(Reshape(x, { shape: [rows, length, num_key_value_heads, head_dim] }), { perm: [2, 0, 1, 3] });
}

const fromKeyHeads = (x: Value, { shape }: Value) => Reshape(Transpose(x, { perm: [1, 2, 0, 3] }), { shape });

/** [rows·length, heads·head_dim] → [kv_heads, rows, queries·groups, head_dim]: heads that share keys, one below the other */
function queryHeads(x: Value, { start, end }: Block, layout: AttentionLayout): Value {
  const { rows, length, num_heads, num_key_value_heads, head_dim } = layout;
  const groups = num_heads / num_key_value_heads;
  const byRow = slice(Reshape(x, { shape: [rows, length, num_heads * head_dim] }), 1, start, end);
  const heads = Reshape(byRow, { shape: [rows, end - start, num_key_value_heads, groups, head_dim] });
  const grouped = Transpose(heads, { perm: [2, 0, 1, 3, 4] });
  return Reshape(grouped, { shape: [num_key_value_heads, rows, (end - start) * groups, head_dim] });
}

/** [kv_heads, rows, queries·groups, head_dim] → [rows, queries, heads·head_dim] */
function fromQueryHeads(x: Value, { start, end }: Block, layout: AttentionLayout): Value {
  const { rows, num_heads, num_key_value_heads, head_dim } = layout;
  const groups = num_heads / num_key_value_heads;
  const heads = Reshape(x, { shape: [num_key_value_heads, rows, end - start, groups, head_dim] });
  return Reshape(Transpose(heads, { perm: [1, 2, 0, 3, 4] }), { shape: [rows, end - start, num_heads * head_dim] });
}

/** The keys or values that a block looks at: [kv_heads, rows, keys, head_dim] */
export const visible = (x: Value, block: Block, late?: (x: Value) => Value) => fromKeyStart(x, block, 2, late);

/** x from the first key that a block looks at to the last, along `axis`; cut out no sooner than what `late` makes of a value is there. */
export function fromKeyStart(x: Value, { keyStart, end, keys }: Block, axis: number, late = (x: Value) => x): Value {
  if (keyStart === 0 && end === x.shape[axis]) return late(x);
  const size = keyStart === 0 ? end : keys;
  return Slice(x, late(keyStart === 0 ? position(0) : keyStart), position(end), { axis, size });
}

/**
 * softmax(Q K' + mask): [..., rows, queries·groups, keys] of a mask [rows, queries, 1, keys], and [..., groups·queries, keys] of
 * a mask [rows, 1, 1, queries, keys].
 */
export function probabilities(q: Value, keys: Value, mask: Value): Value {
  const scores = MatMul(q, transposed(keys));
  const groupsFirst = mask.shape.length === 5;
  const queries = mask.shape[groupsFirst ? 3 : 1] as number;
  const groups = (q.shape.at(-2) as number) / queries;
  const both = groupsFirst ? [groups, queries] : [queries, groups];
  const separate = [...scores.shape.slice(0, -2), ...both, scores.shape.at(-1)!];
  return Reshape(Softmax(Add(Reshape(scores, { shape: separate }), mask)), { shape: scores.shape });
}

/** 0 where a key is in the query's segment and window and not after it, else what no score outweighs: [rows, queries, 1, keys] */
function mask(segmentStarts: Value, block: Block, { length, window = length }: AttentionLayout, dtype: DType): Value {
  const { start, end } = block;
  const key = fromKeyStart(range(length, "float32", [1, 1, 1, length]), block, 3);
  const query = slice(range(length, "float32", [1, length, 1, 1]), 1, start, end);
  const causal = And(GreaterOrEqual(key, slice(segmentStarts, 1, start, end)), LessOrEqual(key, query));
  const first = Add(query, scalar(1 - window, "float32"));
  const seen = window < length ? And(causal, GreaterOrEqual(key, first)) : causal;
  return Where(seen, scalar(0, dtype), scalar(dtype === "float16" ? -6e4 : -1e9, dtype));
}

/** A gradient for the first `end` keys of each row, [kv_heads, rows, end, head_dim]. */
type Prefix = { value: Value; end: number };

export function padded(x: Value, zeros: Value, { keyStart, keys, end }: Block): Prefix {
  if (keyStart === 0) return { value: x, end };
  const before = Slice(zeros, position(0), keyStart, { axis: 2, size: `before_${keys}` });
  return { value: Concat(before, x, { axis: 2, size: end }), end };
}

/** The sum of prefixes of growing length. Each block of keys is final once all longer prefixes are added. */
export function sumOfPrefixes(prefixes: readonly Prefix[]): Value {
  const tails: Value[] = [];
  let sum = prefixes.at(-1)!.value;
  for (const { value, end } of prefixes.slice(0, -1).reverse()) {
    tails.unshift(slice(sum, 2, end, sum.shape[2] as number));
    sum = Add(value, slice(sum, 2, 0, end));
  }
  return tails.length > 0 ? Concat(sum, ...tails, { axis: 2 }) : sum;
}
