import { elements } from "../graph/shape.ts";
import { constant, type DType, type Value } from "../graph/value.ts";
import { Reshape, RotaryEmbedding } from "../ops/index.ts";

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
