/** @file A tensor at a time, for states in host memory: updates are loops that work in place. */

import type { Parameter } from "../../models/model.ts";
import { adamW, GROWTH_INTERVAL } from "../../nn/adamw.ts";
import type { Device } from "../../runtime/device.ts";
import { scalarTensor } from "../../runtime/tensor.ts";
import { compileBackward } from "../backward.ts";
import {
  decays,
  gradientName,
  INITIAL_STATE,
  type Layout,
  type LayoutOptions,
  type LossGraph,
  momentNames,
  type OptimizerState,
  type Report,
} from "./layout.ts";

export async function separateLayout(
  device: Device,
  { scalars, gradients }: LossGraph,
  parameters: readonly Parameter[],
  options: LayoutOptions,
  initial: OptimizerState = INITIAL_STATE,
): Promise<Layout> {
  const backward = await compileBackward(device, scalars, gradients);
  const update = await device.compileLoop(adamW(options));
  const names = Object.keys(scalars).slice(1);
  let report: Report = { ...initial, loss: Number.NaN, metrics: {}, grad_norm: Number.NaN };

  return {
    nodes: backward.nodes,
    kernels: (microBatches) => ({
      ...backward.kernels(microBatches),
      optimizer: parameters.length * update.kernels,
    }),
    async step(batches, { learning_rate, max_grad_norm }) {
      const scale = options.half ? report.loss_scale : 1;
      if (options.half) await device.write("loss_scale", scalarTensor(scale));
      const sums = await backward.run(batches);
      const [loss, ...logged] = sums.scalars.map((sum) => sum / scale) as [number, ...number[]];
      const metrics = Object.fromEntries(names.map((name, i) => [name, logged[i]!]));
      const grad_norm = Math.sqrt(sums.squares) / scale;
      const finite = Number.isFinite(loss) && Number.isFinite(grad_norm);
      await device.undivided(async () => {
        report = { ...nextState(report, finite, options), loss, metrics, grad_norm };
        if (!finite) return;
        const scalars = {
          learning_rate,
          clip: Math.min(1, max_grad_norm / (grad_norm + 1e-6)) / scale,
          bias1: 1 - report.beta1_power,
          bias2: 1 - report.beta2_power,
        };
        await update.run(
          parameters.map((parameter) => {
            const { name } = parameter;
            const [m, v] = momentNames(name);
            return {
              scalars: { ...scalars, weight_decay: decays(parameter) ? options.weight_decay : 0 },
              reads: { param: name, grad: gradientName(name), m, v },
              writes: { next_param: name, next_m: m, next_v: v },
            };
          }),
        );
      });
    },
    report: async () => report,
    read: async (name) => (await device.read(name)).data as Float32Array,
    weights: async () => {}, // they are where they are read
    release: async () => {},
  };
}

/** What flat.ts decides on the device: an overflow halves the scale of the loss, and many steps without one double it. */
function nextState(state: OptimizerState, finite: boolean, { half, beta1, beta2 }: LayoutOptions): OptimizerState {
  const { loss_scale, good_steps, skipped_steps, beta1_power, beta2_power } = state;
  if (!finite)
    return {
      ...state,
      skipped_steps: skipped_steps + 1,
      good_steps: 0,
      loss_scale: half ? loss_scale / 2 : loss_scale,
    };
  const grown = half && good_steps + 1 >= GROWTH_INTERVAL;
  return {
    loss_scale: grown ? 2 * loss_scale : loss_scale,
    good_steps: grown ? 0 : good_steps + 1,
    skipped_steps,
    beta1_power: beta1_power * beta1,
    beta2_power: beta2_power * beta2,
  };
}
