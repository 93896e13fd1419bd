/** @file How a recipe's device is opened. */

import type { Recipe } from "./recipe.ts";

/** The options of the device that trains and measures. */
export const deviceOptions = ({
  threads,
  cuda: { memory_limit, recompute, ...cuda },
}: Pick<Recipe, "threads" | "cuda">) => ({
  threads,
  ...cuda,
  ...(recompute === undefined ? {} : { recompute }),
  ...(memory_limit === undefined ? {} : { memory_limit: Math.round(memory_limit * 2 ** 30) }),
});
