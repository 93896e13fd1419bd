/** @file A tensor at a time, for states in host memory: updates are loops that work in place. */

import { input } from "../../graph/value.ts";
import type { Parameter } from "../../models/model.ts";
import { adamW, sumOfSquares } from "../../nn/adamw.ts";
import { Add } from "../../ops/index.ts";
import type { Device, Program } from "../../runtime/device.ts";
import { scalarTensor } from "../../runtime/tensor.ts";
import {
  decays,
  gradientName,
  INITIAL_STATE,
  momentNames,
  type Optimizer,
  type OptimizerOptions,
  type OptimizerState,
} from "./optimizer.ts";

export async function separateOptimizer(
  device: Device,
  parameters: readonly Parameter[],
  options: OptimizerOptions,
  initial: OptimizerState = INITIAL_STATE,
): Promise<Optimizer> {
  const gradients = parameters.map(({ name, shape }) => input(gradientName(name), "float32", shape));
  const norm = await device.compile({ squares: sumOfSquares(gradients) });
  const updates = [await device.compileUpdate(adamW(1, options)), await device.compileUpdate(adamW(2, options))];
  const updateOf = ({ shape }: Parameter): Program => updates[shape.length - 1]!;
  const sums = [await compileSum(device, 1), await compileSum(device, 2)];
  const sumOf = ({ shape }: Parameter): Program => sums[shape.length - 1]!;
  let pending = 0;
  let loss = 0;
  let report = { ...initial, loss: Number.NaN, grad_norm: Number.NaN };

  return {
    keep: parameters.map(({ name }) => gradientName(name)),
    runs: (microBatches) => ({
      accumulate: parameters.flatMap((parameter) => new Array<Program>(microBatches - 1).fill(sumOf(parameter))),
      norm: [norm],
      optimizer: parameters.map(updateOf),
    }),
    async accumulate(backward) {
      const first = pending++ === 0;
      const writes = first
        ? {}
        : Object.fromEntries(parameters.map(({ name }) => [gradientName(name), `part/${name}`]));
      const part = Number((await backward({ writes })).loss!.data[0]);
      loss = first ? part : loss + part;
      if (!first) {
        for (const parameter of parameters) {
          const { name } = parameter;
          const reads = { sum: gradientName(name), part: `part/${name}` };
          await sumOf(parameter).run({}, { reads, writes: { next: gradientName(name) } });
        }
        await device.forget(...parameters.map(({ name }) => `part/${name}`));
      }
      return async () => part;
    },
    async update(step, learning_rate, max_grad_norm) {
      pending = 0;
      const { squares } = await norm.run({});
      const grad_norm = Math.sqrt(Number(squares!.data[0]));
      const passed = !Number.isFinite(grad_norm);
      report = { ...report, loss, grad_norm, skipped_steps: report.skipped_steps + Number(passed) };
      if (passed) return;
      const feeds = {
        learning_rate: scalarTensor(learning_rate),
        clip: scalarTensor(Math.min(1, max_grad_norm / (grad_norm + 1e-6))),
        bias1: scalarTensor(1 - options.beta1 ** step),
        bias2: scalarTensor(1 - options.beta2 ** step),
      };
      // asked all at once, so that the device never waits for the next
      const runs = parameters.map((parameter) => {
        const { name } = parameter;
        const [m, v] = momentNames(name);
        const weight_decay = scalarTensor(decays(parameter) ? options.weight_decay : 0);
        const bindings = {
          reads: { param: name, grad: gradientName(name), m, v },
          writes: { next_param: name, next_m: m, next_v: v },
        };
        return updateOf(parameter).run({ ...feeds, weight_decay }, bindings);
      });
      await Promise.all(runs);
      const [beta1_power, beta2_power] = [options.beta1 ** step, options.beta2 ** step];
      report = { ...report, good_steps: report.good_steps + 1, beta1_power, beta2_power };
    },
    report: async () => report,
    read: async (name) => (await device.read(name)).data as Float32Array,
    release: async () => {},
  };
}

async function compileSum(device: Device, rank: number): Promise<Program> {
  const shape = ["rows", ...Array.from({ length: rank - 1 }, (_, i) => `size_${i}`)];
  const next = Add(input("sum", "float32", shape), input("part", "float32", shape));
  return device.compileUpdate({ next });
}
