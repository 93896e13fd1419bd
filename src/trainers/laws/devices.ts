import { batchOf, type Law, longest, placeWeights, trainingOf, verdict } from "./law.ts";

const STEPS = 3;
const TOLERANCE = 1e-3;

/** The first steps of training on both devices, of the same batch. */
export const devices_agree: Law = {
  states: "the device of the recipe computes the losses of the CPU",
  async check(subject) {
    const { device, other, segments } = subject;
    if (!other) return { status: "skipped", found: "the recipe's device is the CPU" };
    const batch = batchOf(
      subject,
      segments.map((segment) => [segment]),
      longest(segments),
    );
    const losses: number[][] = [];
    for (const on of [device, other]) {
      const model = await placeWeights(subject, on);
      const training = await trainingOf(subject, model, batch, on);
      const all: number[] = [];
      for (let step = 1; step <= STEPS; step++) {
        all.push((await training.step([batch], { learning_rate: 1e-4, max_grad_norm: 1 })).loss);
      }
      losses.push(all);
    }
    const [cpu, found] = losses as [number[], number[]];
    const difference = Math.max(...cpu.map((loss, i) => Math.abs(loss - found[i]!)));
    return verdict(
      difference <= TOLERANCE,
      `${STEPS} steps on ${other.name} within ${difference.toExponential(1)} (at most ${TOLERANCE})`,
    );
  },
};
