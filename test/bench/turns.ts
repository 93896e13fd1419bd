/** @file Two programs in turns against one after the other: what it costs that sessions alternate, as a teacher and a student do. */

import { median } from "./median.ts";
import type { BenchShape } from "./shapes.ts";
import { openTraining } from "./training.ts";

/** Time of as many steps of two trainings, a and b, a step of each in turns, over that of all of a and then all of b; medians. */
export async function measureTurns(shape: BenchShape, rounds: number, threads: number): Promise<number> {
  const [a, b] = [await openTraining(shape, { threads }), await openTraining(shape, { threads })];
  const time = async (order: readonly (typeof a)[]) => {
    const start = performance.now();
    for (const { step } of order) await step();
    return performance.now() - start;
  };
  const steps = Array.from({ length: 2 * shape.steps });
  const inTurns = steps.flatMap(() => [a, b]);
  const after = [...steps.map(() => a), ...steps.map(() => b)];
  const ratios: number[] = [];
  for (let i = 0; i < rounds; i++) {
    // which is first says which finds the machine as it was
    const [first, second] = i % 2 === 0 ? [inTurns, after] : [after, inTurns];
    const [x, y] = [await time(first), await time(second)];
    ratios.push(i % 2 === 0 ? x / y : y / x);
  }
  await a.device.close();
  await b.device.close();
  return median(ratios);
}
