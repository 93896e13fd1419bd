/** @file Pairs of answers whose truth is known from how they were made. */

import type { Random } from "../../../../src/core/random.ts";
import type { Profile } from "../../../../src/rewards/math/index.ts";

export type Pair = { kind: string; prediction: string; answer: string; equal: boolean; profile: Profile };

/** One way of making pairs: either kind of truth, as drawn. */
export type Maker = (random: Random) => Omit<Pair, "kind" | "profile"> & { profile?: Profile };

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!;
export const between = (random: Random, low: number, high: number): number => low + random.below(high - low + 1);
export const isHeads = (random: Random): boolean => random.below(2) === 0;

/** A number behind a sign, as in x + 3 and x - 3. */
export const plus = (n: number): string => (n < 0 ? `-${-n}` : `+${n}`);
