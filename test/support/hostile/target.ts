import type { Random } from "../../../src/core/random.ts";

/** A file that lies, and what loads it as the product does. */
export type Mutation = { what: string; load(): unknown };

/** Writes what it needs into a folder, then mutations of a format's files into others, which are there and empty. */
export type Target = (folder: string) => Promise<(random: Random, path: string) => Mutation>;

export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)]!;
