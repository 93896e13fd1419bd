import { elements } from "../graph/shape.ts";
import { constant, type DType, scalar, type Value } from "../graph/value.ts";
import {
  Add,
  Cast,
  Div,
  Gather,
  LessOrEqual,
  Mul,
  Reshape,
  RotaryEmbedding,
  RotaryEmbeddingAt,
  Sub,
  Where,
} from "../ops/index.ts";

/** cos and sin of position · frequency: [positions, frequencies.length] each, as constants. */
export function rotaryTables(
  positions: number,
  frequencies: readonly number[],
  dtype: DType,
): { cos: Value; sin: Value } {
  const table = (f: (angle: number) => number): Value => {
    const data = new Float64Array(positions * frequencies.length);
    for (let p = 0; p < positions; p++)
      for (const [i, frequency] of frequencies.entries()) data[p * frequencies.length + i] = f(p * frequency);
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

/** Positions are split into a multiple of this and a rest; both parts have a table of this many rows. */
const COARSE = 1024;

/**
 * cos and sin of position · frequency for positions int64 [batch, new] of any size below 2^20; beyond it they are not a
 * number, on providers that do not refuse: [batch, new, frequencies.length]. Sines of large angles are inexact on GPUs, so
 * both come from tables: cos(a + b) = cos a cos b - sin a sin b.
 */
export function rotationAt(positions: Value, frequencies: readonly number[], dtype: DType): Rotation {
  const whole = (x: number) => scalar(x, "int32");
  const index = Cast(positions, { to: "int32" });
  const high = Div(index, whole(COARSE));
  const low = Sub(index, Mul(high, whole(COARSE)));
  const parts: [rows: Value, frequencies: readonly number[]][] = [
    [high, frequencies.map((frequency) => frequency * COARSE)],
    [low, frequencies],
  ];
  const [a, b] = parts.map(([rows, turns]) => {
    const { cos, sin } = rotaryTables(COARSE, turns, "float32");
    return { cos: Gather(cos, rows), sin: Gather(sin, rows) };
  }) as [Rotation, Rotation];
  const known = LessOrEqual(Reshape(index, { shape: [...positions.shape, 1] }), whole(COARSE * COARSE - 1));
  const cos = Where(known, Sub(Mul(a.cos, b.cos), Mul(a.sin, b.sin)), scalar(Number.NaN));
  const sin = Add(Mul(a.sin, b.cos), Mul(a.cos, b.sin));
  return dtype === "float32" ? { cos, sin } : { cos: Cast(cos, { to: dtype }), sin: Cast(sin, { to: dtype }) };
}

/** Rotate every head of x [batch, new, heads·head_dim]. */
export const rotate = (x: Value, { cos, sin }: Rotation, num_heads: number): Value =>
  RotaryEmbeddingAt(x, cos, sin, { num_heads });
