/** @file What a schema knows in a place of what was given: the keys of the alternative that is meant there, and of the others. */

import type { z } from "zod";

/** Keys that may stand together, and the type by which they are chosen where there is one. */
export type Alternative = { keys: readonly string[]; type?: string };

type Schema = z.core.$ZodType;

type Definition = {
  type: string;
  innerType?: Schema;
  in?: Schema;
  out?: Schema;
  options?: Schema[];
  discriminator?: string;
  element?: Schema;
  valueType?: Schema;
  shape?: Record<string, Schema>;
  values?: unknown[];
  transform?: (value: unknown, context: unknown) => unknown;
};

const definitionOf = (schema: Schema): Definition => (schema._zod as unknown as { def: Definition }).def;

/** The alternatives at `path` of `value`, the one that fits best first. */
export function alternativesAt(schema: Schema, path: readonly PropertyKey[], value: unknown): Alternative[] {
  const [key, ...rest] = path;
  const found = fitting(schema, value);
  if (key === undefined)
    return found.map(({ shape, type }) => ({ keys: Object.keys(shape), ...(type === undefined ? {} : { type }) }));
  for (const { shape, each } of found) {
    const inner = each ?? (Object.hasOwn(shape, key) ? shape[String(key)] : undefined);
    if (inner) return alternativesAt(inner, rest, (value as Record<PropertyKey, unknown> | undefined)?.[key]);
  }
  return [];
}

/** What keys there are, or the schema of each element. */
type Shape = { shape: Record<string, Schema>; each?: Schema; type?: string };

/** The shapes of a schema, those that fit `value` best first. */
function fitting(schema: Schema, value: unknown): Shape[] {
  const def = definitionOf(schema);
  const transform = def.in && definitionOf(def.in).transform;
  if (transform) return fitting(def.out!, transform(value, undefined));
  const inner = def.innerType ?? def.in;
  if (inner) return fitting(inner, value);
  const each = def.element ?? def.valueType;
  if (each) return [{ shape: {}, each }];
  if (def.options) {
    const shapes = def.options.flatMap((option) => fitting(option, value));
    return shapes.sort((a, b) => fit(b, value) - fit(a, value));
  }
  if (!def.shape) return [];
  const literal = def.shape.type && definitionOf(def.shape.type).values?.[0];
  return [{ shape: def.shape, ...(typeof literal === "string" ? { type: literal } : {}) }];
}

/** The keys of `value` that a shape knows; a type decides. */
function fit({ shape, each, type }: Shape, value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  if (each) return Array.isArray(value) ? Number.POSITIVE_INFINITY : -1;
  if (type !== undefined && (value as { type?: unknown }).type === type) return Number.POSITIVE_INFINITY;
  return Object.keys(value).filter((key) => key in shape).length;
}
