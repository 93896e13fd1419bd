/** @file A chain of operations: what all kinds of problems of the stories are about. */

import type { Random } from "../../../core/random.ts";

/** No value on the way is larger. */
const LARGEST = 199;

/** A start and what is done to it, one after the other. */
export type Chain = { start: number; operations: Operation[] };
export type Operation = { sign: "+" | "-"; by: number } | { sign: "*"; by: 2 | 3 } | { sign: "/"; by: 2 };

/** 14 +23 *2 -9 */
export const restated = ({ start, operations }: Chain) =>
  [start, ...operations.map(({ sign, by }) => `${sign}${by}`)].join(" ");

export function apply(value: number, { sign, by }: Operation): number {
  if (sign === "+") return value + by;
  if (sign === "-") return value - by;
  return sign === "*" ? value * by : value / by;
}

export function drawChain(random: Random, length: number): Chain {
  const start = 3 + random.below(58);
  const operations: Operation[] = [];
  let value = start;
  while (operations.length < length) {
    const operation = drawOperation(random, value);
    if (!operation) continue;
    value = apply(value, operation);
    operations.push(operation);
  }
  return { start, operations };
}

/** Something that can be done to `value`, or nothing where the draw does not fit. */
function drawOperation(random: Random, value: number): Operation | undefined {
  const draw = random.below(12);
  if (draw < 5) {
    const by = 2 + random.below(68);
    return value + by <= LARGEST ? { sign: "+", by } : undefined;
  }
  if (draw < 9) return value > 4 ? { sign: "-", by: 2 + random.below(Math.min(68, value - 3)) } : undefined;
  if (draw === 9) return 2 * value <= LARGEST ? { sign: "*", by: 2 } : undefined;
  if (draw === 10) return 3 * value <= LARGEST ? { sign: "*", by: 3 } : undefined;
  return value % 2 === 0 && value >= 8 ? { sign: "/", by: 2 } : undefined;
}
