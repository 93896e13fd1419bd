import { scalar, type Value } from "../graph/value.ts";
import { GreaterOrEqual, LessOrEqual, Mul, ReduceSum, Sub, Where } from "../ops/index.ts";

/** What a value head is compared with, [n, 1] each: returns, what it said when the tokens were drawn, and weights. */
export type ValueTargets = { returns: Value; old: Value; weights: Value };

/**
 * Σ weight · ½ max((v - return)², (clipped v - return)²), of values [n, 1] that are clipped to within `cliprange` of the old ones
 * (PPO as in TRL), and Σ weight · (1 where the clipped one counts).
 */
export function valueLoss(
  values: Value,
  { returns, old, weights }: ValueTargets,
  cliprange: number,
): { loss: Value; clipped: Value } {
  const number = (x: number) => scalar(x, values.dtype);
  const change = Sub(values, old);
  const least = Where(LessOrEqual(change, number(cliprange)), change, number(cliprange));
  const within = Where(GreaterOrEqual(least, number(-cliprange)), least, number(-cliprange));
  const square = (x: Value) => Mul(x, x);
  const plain = square(Sub(values, returns));
  const clipped = square(Sub(within, Sub(returns, old)));
  const beyond = Sub(change, within);
  const isClipped = GreaterOrEqual(Mul(square(beyond), Sub(clipped, plain)), number(TINY));
  const total = (x: Value) => ReduceSum(Mul(x, weights), { axes: [0, 1] });
  const worse = Where(GreaterOrEqual(plain, clipped), plain, clipped);
  return { loss: total(Mul(worse, number(0.5))), clipped: total(Where(isClipped, number(1), number(0))) };
}

/** Products of squares that are less are rounding. */
const TINY = 1e-12;
