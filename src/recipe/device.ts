/** @file How a recipe's device is opened. */

import type { DeviceOptions } from "../runtime/device.ts";
import type { Recipe } from "./recipe.ts";

/** The options of the device that trains and measures. */
export const deviceOptions = ({
  threads,
  cuda: { memory_limit, recompute, ...cuda },
  webgpu,
}: Pick<Recipe, "threads" | "cuda" | "webgpu">): DeviceOptions & Required<Pick<DeviceOptions, "recompute">> => ({
  threads,
  ...cuda,
  recompute: {
    ...(recompute === undefined ? {} : { cuda: recompute }),
    ...(webgpu.recompute === undefined ? {} : { webgpu: webgpu.recompute }),
  },
  ...(memory_limit === undefined ? {} : { memory_limit: Math.round(memory_limit * 2 ** 30) }),
});
