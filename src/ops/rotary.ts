import { defineOp, type Op } from "../graph/op.ts";
import { elements } from "../graph/shape.ts";
import { constant, type Dim, type Value } from "../graph/value.ts";
import { After } from "./after.ts";
import { Add, Mul, Neg, Sub } from "./elementwise.ts";
import { Gather } from "./gather.ts";
import { Concat, Reshape, ReshapeTo, slice, split, Transpose } from "./movement.ts";
import { Range, Shape } from "./sizes.ts";

/**
 * Rotary position embedding (arXiv:2104.09864) with the two halves of a head as the pair: x [rows, length, heads·head_dim],
 * positions int64 [rows, length], cos and sin [max_positions, head_dim / 2]. ONNX Runtime wants length <= max_positions.
 */
export const RotaryEmbedding: Op<[x: Value, positions: Value, cos: Value, sin: Value, attrs: { num_heads: number }]> =
  defineOp("RotaryEmbedding", {
    infer: (_, { dtype, shape }) => ({ dtype, shape }),
    expand({ num_heads }, x, positions, cos, sin) {
      const [rows, length, width] = x.shape.map((dim) => elements([dim])) as [number, number, number];
      const tokens = rows * length;
      const half = width / num_heads / 2;
      const heads = Reshape(x, { shape: [tokens, num_heads, 2 * half] });
      const places = Reshape(positions, { shape: [tokens] });
      const [c, s] = [cos, sin].map((table) => Reshape(Gather(table, places), { shape: [tokens, 1, half] })) as [
        Value,
        Value,
      ];
      const [a, b] = [slice(heads, 2, 0, half), slice(heads, 2, half, 2 * half)];
      const rotated = Concat(Sub(Mul(a, c), Mul(b, s)), Add(Mul(b, c), Mul(a, s)), { axis: 2 });
      return Reshape(rotated, { shape: x.shape });
    },
    // a rotation's transpose is the rotation back
    gradient: ({ dy, attrs }, _, positions, cos, sin) => [
      RotaryEmbedding(dy, positions, cos, Neg(sin), attrs),
      null,
      null,
      null,
    ],
    spelling: {
      domain: "com.microsoft",
      kernels: { cpu: ["float32"] },
      attributes: ({ num_heads }) => ({ num_heads }),
    },
  });

/** The same of heads, each with a length of its own: x [rows, heads, length, head_dim]. */
export const RotaryEmbeddingOfHeads: Op<[x: Value, positions: Value, cos: Value, sin: Value]> = defineOp(
  "RotaryEmbedding",
  {
    infer: (_, { dtype, shape }) => ({ dtype, shape }),
    expand(_, x, positions, cos, sin) {
      const [rows, num_heads, length, size] = x.shape.map((dim) => elements([dim])) as [number, number, number, number];
      const tokens = Transpose(x, { perm: [0, 2, 1, 3] });
      const flat = Reshape(tokens, { shape: [rows, length, num_heads * size] });
      const rotated = RotaryEmbedding(flat, positions, cos, sin, { num_heads });
      return Transpose(Reshape(rotated, { shape: tokens.shape }), { perm: [0, 2, 1, 3] });
    },
    gradient: ({ dy }, _, positions, cos, sin) => [
      RotaryEmbeddingOfHeads(dy, positions, cos, Neg(sin)),
      null,
      null,
      null,
    ],
    spelling: { domain: "com.microsoft", kernels: { cpu: ["float32"] } },
  },
);

/** How many heads of each kind a row has; those of the last are not rotated. */
type Kinds = { rows: number; kinds: readonly number[] };

/**
 * The same of heads of several kinds, [rows·heads, 1, length, head_dim], in one kernel. cos and sin have a row for each token
 * and kind, those of a token one after the other; those of the last kind rotate nothing.
 */
export const RotaryEmbeddingOfKinds: Op<[x: Value, cos: Value, sin: Value, attrs: Kinds]> = defineOp(
  "RotaryEmbedding",
  {
    infer: (_, { dtype, shape }) => ({ dtype, shape }),
    expand({ rows, kinds }, x, cos, sin) {
      const [, , length, size] = x.shape as [number, number, number, number];
      const heads = Reshape(x, { shape: [rows, kinds.reduce((a, b) => a + b), length, size] });
      const parts = split(heads, 1, kinds);
      const turned = parts.slice(0, -1).map((part, kind) => {
        const places = placesOf([kind], { rows, length, kinds: kinds.length });
        return RotaryEmbeddingOfHeads(After(part, parts.at(-1)!), places, cos, sin); // gradients are made in this order
      });
      return Reshape(Concat(...turned, parts.at(-1)!, { axis: 1 }), { shape: x.shape });
    },
    gradient: ({ dy, attrs }, _, cos, sin) => [RotaryEmbeddingOfKinds(dy, cos, Neg(sin), attrs), null, null],
    spelling: {
      domain: "com.microsoft",
      kernels: { cpu: ["float32"], cuda: [] }, // where other nodes cost as much, a rotation of each kind takes fewer of them
      inputs({ rows, kinds }, [x, cos, sin]) {
        const heads = kinds.flatMap((count, kind) => new Array<number>(count).fill(kind));
        return [x!, placesOf(heads, { rows, length: x!.shape[2] as number, kinds: kinds.length }), cos!, sin!];
      },
      attributes: () => ({}),
    },
  },
);

const places = new Map<string, Value>();

/** Where the tokens of heads of these kinds read the tables, int64 [rows·heads, length]; the same value for the same arguments. */
function placesOf(heads: readonly number[], sizes: { rows: number; length: number; kinds: number }): Value {
  const key = `${heads} of ${Object.values(sizes)}`;
  const known = places.get(key);
  if (known) return known;
  const { rows, length, kinds } = sizes;
  const data = new Float64Array(rows * heads.length * length);
  let i = 0;
  for (let row = 0; row < rows; row++)
    for (const kind of heads) for (let at = 0; at < length; at++) data[i++] = (row * length + at) * kinds + kind;
  const made = constant(data, "int64", [rows * heads.length, length]);
  places.set(key, made);
  return made;
}

/** The same with cos and sin of each token, [rows, length, head_dim / 2], in place of tables and positions (ONNX 23). */
export const RotaryEmbeddingAt: Op<[x: Value, cos: Value, sin: Value, attrs: { num_heads: number }]> = defineOp(
  "RotaryEmbedding",
  {
    infer: (_, { dtype, shape }) => ({ dtype, shape }),
    // tokens as rows of tables, each read by its own token
    expand({ num_heads }, x, cos, sin) {
      const [rows, length, half] = cos.shape as [Dim, Dim, number];
      const tokens = `${rows}·${length}`;
      const tables = [cos, sin].map((part) => Reshape(part, { shape: [tokens, half] })) as [Value, Value];
      const count = Reshape(Shape(tables[0], { axis: 0 }), { shape: [] });
      const sizes = Concat(Shape(cos, { axis: 0 }), Shape(cos, { axis: 1 }), { axis: 0 });
      const places = ReshapeTo(Range(count, { size: tokens }), sizes, { shape: [rows, length] });
      return RotaryEmbedding(x, places, ...tables, { num_heads });
    },
    // programs before 1.23 of ONNX Runtime know nothing of ONNX 23
    spelling: { opset: 23, kernels: { portable: [] } },
  },
);
