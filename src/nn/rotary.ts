import { elements } from "../graph/shape.ts";
import { constant, type DType, scalar, type Value } from "../graph/value.ts";
import { Add, Cast, Div, Gather, Mul, Reshape, RotaryEmbedding, RotaryEmbeddingAt, Sub } from "../ops/index.ts";

/** cos and sin of position · frequency, times `scale`: [positions, frequencies.length] each, as constants. */
export function rotaryTables(
  positions: number,
  frequencies: readonly number[],
  dtype: DType,
  scale = 1,
): { cos: Value; sin: Value } {
  const table = (f: (angle: number) => number): Value => {
    const data = new Float64Array(positions * frequencies.length);
    for (let p = 0; p < positions; p++)
      for (const [i, frequency] of frequencies.entries()) data[p * frequencies.length + i] = scale * f(p * frequency);
    return constant(data, dtype, [positions, frequencies.length]);
  };
  return { cos: table(Math.cos), sin: table(Math.sin) };
}

/** Rotate every head of x [tokens, heads·head_dim] by its token's position; positions int64 [rows, length], tokens = rows·length. */
export function rotary(x: Value, positions: Value, { cos, sin }: { cos: Value; sin: Value }): Value {
  const [, width] = x.shape as [number, number];
  const num_heads = width / elements([cos.shape[1]!]) / 2;
  const batched = Reshape(x, { shape: [...positions.shape, width] });
  return Reshape(RotaryEmbedding(batched, positions, cos, sin, { num_heads }), { shape: x.shape });
}

export type Rotation = { cos: Value; sin: Value };

/** Positions are written with three digits in this base, each with a table of this many rows: all that int32 can say. */
const BASE = 1300;

/**
 * cos and sin of position · frequency for positions int64 [batch, new], however far (below 2^31):
 * [batch, new, frequencies.length]. Sines of large angles are inexact on GPUs, so digits have tables, and are put together
 * by cos(a + b) = cos a cos b - sin a sin b.
 */
export function rotationAt(positions: Value, frequencies: readonly number[], dtype: DType): Rotation {
  const base = scalar(BASE, "int32");
  let rest = Cast(positions, { to: "int32" });
  let sum: Rotation | undefined;
  for (const unit of [1, BASE, BASE ** 2]) {
    const quotient = Div(rest, base);
    const digit = Sub(rest, Mul(quotient, base));
    const tables = rotaryTables(
      BASE,
      frequencies.map((frequency) => frequency * unit),
      "float32",
    );
    const part = { cos: Gather(tables.cos, digit), sin: Gather(tables.sin, digit) };
    sum = sum ? added(sum, part) : part;
    rest = quotient;
  }
  const { cos, sin } = sum!;
  return dtype === "float32" ? { cos, sin } : { cos: Cast(cos, { to: dtype }), sin: Cast(sin, { to: dtype }) };
}

/** One rotation after the other. */
const added = (a: Rotation, b: Rotation): Rotation => ({
  cos: Sub(Mul(a.cos, b.cos), Mul(a.sin, b.sin)),
  sin: Add(Mul(a.sin, b.cos), Mul(a.cos, b.sin)),
});

/** Rotate every head of x [batch, new, heads·head_dim]. */
export const rotate = (x: Value, { cos, sin }: Rotation, num_heads: number): Value =>
  RotaryEmbeddingAt(x, cos, sin, { num_heads });
