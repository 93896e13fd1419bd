/** @file Sizes that a recipe may ask for: with more than these no machine comes to an end. */

import { z } from "zod";

const atMost = (most: number) => z.int().positive().max(most);

/** Tokens of a text, or of a row. */
export const tokens = atMost(2 ** 22);

/** Things that are held, drawn or done at a time, or for one and the same other one. */
export const several = atMost(2 ** 16);

/** Threads of the CPU; 0 stands for one a core. */
export const threads = z
  .int()
  .nonnegative()
  .max(2 ** 16);

/** Rows that a program writes, which are held in memory. */
export const written = atMost(2 ** 24);
