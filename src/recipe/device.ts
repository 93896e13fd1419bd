/** @file How a recipe's device is opened. */

import type { Recipe } from "./recipe.ts";

/** The options of the device that trains and measures. */
export const deviceOptions = ({ threads, cuda: { memory_limit, ...cuda } }: Pick<Recipe, "threads" | "cuda">) => ({
  threads,
  ...cuda,
  ...(memory_limit === undefined ? {} : { memory_limit: Math.round(memory_limit * 2 ** 30) }),
});
