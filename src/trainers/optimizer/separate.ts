/** @file A tensor at a time, for states in host memory: updates are loops that work in place. */

import type { Parameter } from "../../models/model.ts";
import { adamW } from "../../nn/adamw.ts";
import type { Device, Program } from "../../runtime/device.ts";
import { scalarTensor } from "../../runtime/tensor.ts";
import { compileBackward } from "../backward.ts";
import {
  decays,
  gradientName,
  INITIAL_STATE,
  type LossGraph,
  momentNames,
  type Optimizer,
  type OptimizerOptions,
  type OptimizerState,
  type Report,
} from "./optimizer.ts";

export async function separateOptimizer(
  device: Device,
  { loss, gradients, ...inputs }: LossGraph,
  parameters: readonly Parameter[],
  options: OptimizerOptions,
  initial: OptimizerState = INITIAL_STATE,
): Promise<Optimizer> {
  const backward = await compileBackward(device, loss, gradients, inputs);
  const updates = [await device.compileUpdate(adamW(1, options)), await device.compileUpdate(adamW(2, options))];
  const updateOf = ({ shape }: Parameter): Program => updates[shape.length - 1]!;
  let report: Report = { ...initial, loss: Number.NaN, grad_norm: Number.NaN };

  return {
    nodes: backward.nodes,
    kernels: (microBatches) => ({
      ...backward.kernels(microBatches),
      optimizer: parameters.reduce((sum, parameter) => sum + updateOf(parameter).kernels, 0),
    }),
    async step(batches, { step, learning_rate, max_grad_norm }) {
      const { loss, squares } = await backward.run(batches);
      const grad_norm = Math.sqrt(squares);
      const passed = !Number.isFinite(loss) || !Number.isFinite(grad_norm);
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
