/** @file Two programs in turns against one after the other: what it costs that sessions alternate, as a teacher and a student do. */

import { median } from "./median.ts";
import type { BenchShape } from "./shapes.ts";
import { openTraining } from "./training.ts";

/** A ratio of times: the median over rounds, and half of the rounds lie between the other two. */
export type Ratio = { median: number; from: number; to: number };

/**
 * Time of as many steps of two trainings, a and b, a step of each in turns, over that of all of a and then all of b; and of the
 * latter once more over the former time, which says what the machine itself does from one to the next.
 */
export async function measureTurns(
  shape: BenchShape,
  rounds: number,
  threads: number,
): Promise<{ inTurns: Ratio; again: Ratio }> {
  const [a, b] = [await openTraining(shape, { threads }), await openTraining(shape, { threads })];
  const steps = Array.from({ length: 2 * shape.steps });
  const after = [...steps.map(() => a), ...steps.map(() => b)];
  const orders = { after, inTurns: steps.flatMap(() => [a, b]), again: after };
  const time = async (order: readonly (typeof a)[]) => {
    const start = performance.now();
    for (const { step } of order) await step();
    return performance.now() - start;
  };
  const ratios = { inTurns: [] as number[], again: [] as number[] };
  for (let i = 0; i < rounds; i++) {
    const took = { after: 0, inTurns: 0, again: 0 };
    // which is first says which finds the machine as it was
    const names = Object.keys(orders) as (keyof typeof orders)[];
    for (const j of names.keys()) {
      const name = names[(i + j) % names.length]!;
      took[name] = await time(orders[name]);
    }
    for (const name of ["inTurns", "again"] as const) ratios[name].push(took[name] / took.after);
  }
  await a.device.close();
  await b.device.close();
  return { inTurns: ratioOf(ratios.inTurns), again: ratioOf(ratios.again) };
}

function ratioOf(values: readonly number[]): Ratio {
  const sorted = values.toSorted((x, y) => x - y);
  const quarter = Math.floor(sorted.length / 4);
  return { median: median(values), from: sorted[quarter]!, to: sorted.at(-1 - quarter)! };
}
