import type { Parameter } from "../../models/model.ts";
import type { Device } from "../../runtime/device.ts";
import { flatLayout } from "./flat.ts";
import type { Layout, LayoutOptions, LossGraph, OptimizerState } from "./layout.ts";
import { separateLayout } from "./separate.ts";

/** The layout that suits a device, compiled: in host memory a loop over a tensor costs no more than one over many. */
export const compileLayout = (
  device: Device,
  graph: LossGraph,
  parameters: readonly Parameter[],
  options: LayoutOptions,
  initial?: OptimizerState,
): Promise<Layout> => (device.resident ? flatLayout : separateLayout)(device, graph, parameters, options, initial);
