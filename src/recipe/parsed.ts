/** @file What a schema makes of keys, or one sentence that says what is wrong with them and what was perhaps meant. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";

export function parsed<Schema extends z.ZodType>(schema: Schema, raw: unknown, failure: string): z.output<Schema> {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap((issue) => explain(issue, raw, schema));
  throw new DistillError(`${failure}: ${issues.join("; ")}.`);
}

/** Sentences for what a schema found, with the path of the key. */
function explain(issue: z.core.$ZodIssue, raw: unknown, schema: z.core.$ZodType): string[] {
  const at = issue.path.length > 0 ? `${z.core.toDotPath(issue.path)}: ` : "";
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // say what is wrong with the alternative that fits best
    const best = [...issue.errors].sort((a, b) => unknownKeys(a) - unknownKeys(b) || a.length - b.length)[0]!;
    return best.flatMap((inner) => explain({ ...inner, path: [...issue.path, ...inner.path] }, raw, schema));
  }
  if (issue.code === "invalid_union" && issue.discriminator) {
    const known = [...issue.message.matchAll(/'([^']+)'/g)].map(([, name]) => name!);
    const found = issue.path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)?.[key], raw);
    if (typeof found === "string") return [`${at}unknown "${found}"${suggestion(found, known)}`];
    return [`${at}expected one of: ${known.join(", ")}`];
  }
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => `${at}unknown key "${key}"${suggestion(key, knownKeys(schema, issue.path))}`);
  return [`${at}${issue.message}`];
}

const unknownKeys = (issues: readonly z.core.$ZodIssue[]) =>
  issues.reduce(
    (sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : issue.path.length === 1 ? 0.5 : 0),
    0,
  );

/** ` (did you mean "x"?)` where a known key is near. */
function suggestion(key: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, distance: editDistance(name, key) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= Math.max(2, key.length / 3)
    ? ` (did you mean "${near.name}"?)`
    : `. Expected one of: ${known.join(", ")}`;
}

/** The keys that a schema knows at a path: those of all alternatives there. */
function knownKeys(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const { def } = schema._zod as unknown as { def: Definition };
  const inner = def.innerType ?? (def.in?._zod.def.type === "transform" ? def.out : def.in);
  if (inner) return knownKeys(inner, path);
  if (def.options) return [...new Set(def.options.flatMap((option) => knownKeys(option, path)))];
  if (def.element) return knownKeys(def.element, path.slice(1));
  if (!def.shape) return [];
  const [key, ...rest] = path;
  if (key === undefined) return Object.keys(def.shape);
  return def.shape[String(key)] ? knownKeys(def.shape[String(key)]!, rest) : [];
}

type Definition = {
  innerType?: z.core.$ZodType;
  in?: z.core.$ZodType;
  out?: z.core.$ZodType;
  options?: z.core.$ZodType[];
  element?: z.core.$ZodType;
  shape?: Record<string, z.core.$ZodType>;
};

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
