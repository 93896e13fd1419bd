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
 * q [rows·length, heads·head_dim], k and v [rows·length, kv_heads·head_dim], segmentStarts float32 [rows, 1, 1, length, 1]
 * (the index in its row of the first token of each token's segment), keyStarts int64 [1] for each block but the first (the
 * least of these over the block): [rows·length, heads·head_dim].
 */
export const attention: Op<
  [q: Value, k: Value, v: Value, segmentStarts: Value, ...keyStarts: Value[], attrs: AttentionLayout]
> = defineOp("attention", {
  infer: (_, q) => q,
  expand(layout, q, k, v, segmentStarts, ...keyStarts) {
    const [queries, keys, values] = [scaled(q, layout), keyHeads(k, layout), keyHeads(v, layout)];
    const outputs = blocks(layout, keyStarts).map((block) => {
      const p = probabilities(queryHeads(queries, block, layout), keys, segmentStarts, block, layout);
      return fromQueryHeads(MatMul(p, visible(values, block)), block, layout);
    });
    return Reshape(Concat(...outputs, { axis: 1 }), { shape: q.shape });
  },
  // With P the probabilities and D the row sums of dO·O:
  // dV = P'dO, dS = P (dO V' - D), dQ = dS K, dK = dS'Q. One block after the other, so that one block's P exists at a time.
  gradient({ dy, y, attrs: layout }, q, key, value, segmentStarts, ...keyStarts) {
    const { rows, length, head_dim, num_key_value_heads } = layout;
    const [queries, keys, values] = [scaled(q, layout), keyHeads(key, layout), keyHeads(value, layout)];
    const zeros = Expand(scalar(0, q.dtype), { shape: [rows, num_key_value_heads, length, head_dim] });
    const [dq, dk, dv]: [Value[], Prefix[], Prefix[]] = [[], [], []];
    // cut out and multiplied again rather than kept since the forward pass, one block after the other; in short rows the same
    const late = (x: Value, earlier: Value) => (length <= SHORT ? x : After(x, earlier));
    let earlier = dy;
    for (const block of blocks(layout, keyStarts).reverse()) {
      const dO = queryHeads(dy, block, layout);
      const d = ReduceSum(Mul(dO, queryHeads(y, block, layout)), { axes: [3] });
      const qBlock = late(queryHeads(queries, block, layout), earlier);
      const [k, v] = [late(keys, earlier), late(values, earlier)];
      const p = probabilities(qBlock, k, segmentStarts, block, layout);
      const dS = Mul(Add(MatMul(dO, transposed(visible(v, block))), Neg(d)), p);
      const dQ = MatMul(dS, visible(k, block));
      const dK = MatMul(transposed(dS), After(qBlock, dQ));
      const dV = MatMul(transposed(p), After(dO, dK));
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

/** Queries start … end of each row look at keys from keyStart (known at run time, but 0 for the first) to `end`. */
type Block = { start: number; end: number; keyStart: Value | 0; keys: Dim };

function blocks({ length, block }: AttentionLayout, keyStarts: readonly Value[]): Block[] {
  const first: Block = { start: 0, end: Math.min(block, length), keyStart: 0, keys: Math.min(block, length) };
  const others = keyStarts.map((keyStart, i): Block => {
    const start = (i + 1) * block;
    return { start, end: Math.min(start + block, length), keyStart, keys: `keys_${i + 1}` };
  });
  return [first, ...others];
}

const scaled = (q: Value, { head_dim, scale = head_dim ** -0.5 }: AttentionLayout) =>
  scale === 1 ? q : Mul(q, scalar(scale, q.dtype));

/** [rows·length, kv_heads·head_dim] → [rows, kv_heads, length, head_dim] */
function keyHeads(x: Value, { rows, length, num_key_value_heads, head_dim }: AttentionLayout): Value {
  return Transpose(Reshape(x, { shape: [rows, length, num_key_value_heads, head_dim] }), { perm: [0, 2, 1, 3] });
}

const fromKeyHeads = (x: Value, { shape }: Value) => Reshape(Transpose(x, { perm: [0, 2, 1, 3] }), { shape });

/** [rows·length, heads·head_dim] → [rows, kv_heads, groups·queries, head_dim]: heads that share keys, one below the other */
function queryHeads(x: Value, { start, end }: Block, layout: AttentionLayout): Value {
  const { rows, length, num_heads, num_key_value_heads, head_dim } = layout;
  const groups = num_heads / num_key_value_heads;
  const byRow = slice(Reshape(x, { shape: [rows, length, num_heads * head_dim] }), 1, start, end);
  const heads = Reshape(byRow, { shape: [rows, end - start, num_key_value_heads, groups, head_dim] });
  const grouped = Transpose(heads, { perm: [0, 2, 3, 1, 4] });
  return Reshape(grouped, { shape: [rows, num_key_value_heads, groups * (end - start), head_dim] });
}

/** [rows, kv_heads, groups·queries, head_dim] → [rows, queries, heads·head_dim] */
function fromQueryHeads(x: Value, { start, end }: Block, layout: AttentionLayout): Value {
  const { rows, num_heads, num_key_value_heads, head_dim } = layout;
  const groups = num_heads / num_key_value_heads;
  const heads = Reshape(x, { shape: [rows, num_key_value_heads, groups, end - start, head_dim] });
  return Reshape(Transpose(heads, { perm: [0, 3, 1, 2, 4] }), { shape: [rows, end - start, num_heads * head_dim] });
}

/** The keys or values that a block looks at: [rows, kv_heads, keys, head_dim] */
const visible = (x: Value, block: Block) => fromKeyStart(x, block, 2);

/** x from the first key that a block looks at to the last, along `axis`. */
const fromKeyStart = (x: Value, { keyStart, end, keys }: Block, axis: number): Value =>
  keyStart === 0 ? slice(x, axis, 0, end) : Slice(x, keyStart, position(end), { axis, size: keys });

/** softmax(Q K' + mask): [rows, kv_heads, groups·queries, keys] */
function probabilities(q: Value, keys: Value, segmentStarts: Value, block: Block, layout: AttentionLayout): Value {
  const { rows, num_heads, num_key_value_heads } = layout;
  const groups = num_heads / num_key_value_heads;
  const scores = MatMul(q, transposed(visible(keys, block)));
  const separate = [rows, num_key_value_heads, groups, block.end - block.start, block.keys];
  const p = Softmax(Add(Reshape(scores, { shape: separate }), mask(segmentStarts, block, layout, q.dtype)));
  return Reshape(p, { shape: scores.shape });
}

/** 0 where a key is in the query's segment and window and not after it, else what no score outweighs: [rows, 1, 1, queries, keys] */
function mask(segmentStarts: Value, block: Block, { length, window = length }: AttentionLayout, dtype: DType): Value {
  const { start, end } = block;
  const key = fromKeyStart(range(length, "float32", [1, 1, 1, 1, length]), block, 4);
  const query = slice(range(length, "float32", [1, 1, 1, length, 1]), 3, start, end);
  const causal = And(GreaterOrEqual(key, slice(segmentStarts, 3, start, end)), LessOrEqual(key, query));
  const first = Add(query, scalar(1 - window, "float32"));
  const seen = window < length ? And(causal, GreaterOrEqual(key, first)) : causal;
  return Where(seen, scalar(0, dtype), scalar(dtype === "float16" ? -6e4 : -1e9, dtype));
}

/** A gradient for the first `end` keys of each row, [rows, kv_heads, end, head_dim]. */
type Prefix = { value: Value; end: number };

function padded(x: Value, zeros: Value, { keyStart, keys, end }: Block): Prefix {
  if (keyStart === 0) return { value: x, end };
  const before = Slice(zeros, position(0), keyStart, { axis: 2, size: `before_${keys}` });
  return { value: Concat(before, x, { axis: 2, size: end }), end };
}

/** The sum of prefixes of growing length. Each block of keys is final once all longer prefixes are added. */
function sumOfPrefixes(prefixes: readonly Prefix[]): Value {
  const tails: Value[] = [];
  let sum = prefixes.at(-1)!.value;
  for (const { value, end } of prefixes.slice(0, -1).reverse()) {
    tails.unshift(slice(sum, 2, end, sum.shape[2] as number));
    sum = Add(value, slice(sum, 2, 0, end));
  }
  return tails.length > 0 ? Concat(sum, ...tails, { axis: 2 }) : sum;
}
