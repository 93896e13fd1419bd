import type { GoValue } from "./syntax.ts";

/** What a condition finds true: what is not empty. */
export const truth = (value: GoValue): boolean =>
  Array.isArray(value) ? value.length > 0 : value !== null && typeof value === "object" ? true : Boolean(value);

/** The functions of templates, of values; `and` and `or` look at no more of them than they need, and are not here. */
export const FUNCTIONS: Record<string, (given: GoValue[]) => GoValue> = {
  eq: ([a, ...others]) => others.some((b) => a === b),
  ne: ([a, b]) => a !== b,
  lt: ([a, b]) => a! < b!,
  le: ([a, b]) => a! <= b!,
  gt: ([a, b]) => a! > b!,
  ge: ([a, b]) => a! >= b!,
  not: ([a]) => !truth(a!),
  len: ([a]) => (typeof a === "string" ? Buffer.byteLength(a) : (a as GoValue[]).length),
  index: ([list, i]) => (list as GoValue[])[i as number] ?? null,
  slice: ([list, from, to]) => (list as GoValue[]).slice(from as number, to as number | undefined),
};
