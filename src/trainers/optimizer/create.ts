import type { Parameter } from "../../models/model.ts";
import type { Device } from "../../runtime/device.ts";
import { flatOptimizer } from "./flat.ts";
import type { LossGraph, Optimizer, OptimizerOptions, OptimizerState } from "./optimizer.ts";
import { separateOptimizer } from "./separate.ts";

/** The optimizer in the layout that suits a device: in host memory a loop over a tensor costs no more than one over many. */
export const createOptimizer = (
  device: Device,
  graph: LossGraph,
  parameters: readonly Parameter[],
  options: OptimizerOptions,
  initial?: OptimizerState,
): Promise<Optimizer> =>
  (device.resident ? flatOptimizer : separateOptimizer)(device, graph, parameters, options, initial);
