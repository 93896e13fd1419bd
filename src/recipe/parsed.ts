/** @file What a schema makes of keys, or one sentence that says what is wrong with them and what was perhaps meant. */

import { z } from "zod";
import { DistillError } from "../core/errors.ts";
import { nearest, suggestion } from "../core/nearest.ts";
import { alternativesAt } from "./alternatives.ts";
import { shown, wanted } from "./shown.ts";

/** What is known of a word that a schema does not know: where it leads to, or why there is nothing like it. */
export type Leads = {
  ofKey?: (key: string, path: readonly PropertyKey[]) => string | undefined;
  ofValue?: (value: unknown, path: readonly PropertyKey[]) => string | undefined;
};

export function parsed<Schema extends z.ZodType>(
  schema: Schema,
  raw: unknown,
  failure: string,
  leads: Leads = {},
): z.output<Schema> {
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const issues = result.error.issues.flatMap((issue) => explain(issue, { raw, schema, leads }));
  throw new DistillError(`${failure}: ${issues.join("; ")}.`);
}

type Given = { raw: unknown; schema: z.core.$ZodType; leads: Leads };

/** Sentences for what a schema found, with the path of the key. */
function explain(issue: z.core.$ZodIssue, given: Given): string[] {
  const at = issue.path.length > 0 ? `${z.core.toDotPath(issue.path)}: ` : "";
  const found = issue.path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)?.[key], given.raw);
  const lead = given.leads.ofValue?.(found, issue.path);
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    if (issue.errors.every(isAnotherType) && found === undefined)
      return [`${at}not given; expected ${wantedOf(issue.errors)}`];
    if (issue.errors.every(isAnotherType))
      return [
        `${at}expected ${wantedOf(issue.errors)}, found ${shown(found)}${lead ? ` (${lead})` : placed(found, issue.path, given)}`,
      ];
    // say what is wrong with the alternative that fits best
    const best = [...issue.errors].sort((a, b) => misfit(a) - misfit(b) || a.length - b.length)[0]!;
    return best.flatMap((inner) => explain({ ...inner, path: [...issue.path, ...inner.path] }, given));
  }
  if (issue.code === "invalid_union" && issue.discriminator)
    return [`${at}${unknownValue(found, "options" in issue ? (issue.options ?? []).map(String) : [], lead)}`];
  if (issue.code === "invalid_value" && /^Invalid\b/.test(issue.message))
    return [`${at}${unknownValue(found, issue.values.map(String), lead)}`];
  if (issue.code === "invalid_key") {
    const key = String(issue.path.at(-1));
    return [
      `${issue.path.slice(0, -1).map(String).join(".")}: "${key}" is no name of a key; ${issue.issues.map(({ message }) => message).join("; ")}`,
    ];
  }
  if (issue.code === "unrecognized_keys") return issue.keys.map((key) => `${at}${unknownKey(key, issue.path, given)}`);
  // a sentence of the schema's own says it all; what was found may be a secret that does not belong there
  if (!/^(Invalid|Too)\b/.test(issue.message)) return [`${at}${issue.message}`];
  const expected = wanted(issue);
  if (found === undefined) return [`${at}not given; expected ${expected}`];
  return [
    `${at}expected ${expected}, found ${shown(found)}${lead ? ` (${lead})` : cure(issue, found) || (issue.code === "invalid_type" ? placed(found, issue.path, given) : "")}`,
  ];
}

function unknownValue(found: unknown, known: readonly string[], lead: string | undefined): string {
  const all = `Expected one of: ${known.join(", ")}`;
  if (found === undefined) return `not given. ${all}`;
  const near = typeof found === "string" ? nearest(found, known) : undefined;
  const hint = lead ?? (near === undefined ? undefined : `did you mean "${near}"?`);
  const what = typeof found === "string" ? `unknown "${found}"` : `unknown ${shown(found)}`;
  return `${what}${hint === undefined ? "" : ` (${hint})`}. ${all}`;
}

function unknownKey(key: string, path: readonly PropertyKey[], { raw, schema, leads }: Given): string {
  const [meant, ...others] = alternativesAt(schema, path, raw);
  const keys = meant?.keys ?? [];
  const knowing = others.filter((other) => other.keys.includes(key));
  const what = `unknown key "${key}"`;
  const types = knowing.flatMap(({ type }) => type ?? []);
  if (meant?.type !== undefined && types.length > 0)
    return `${what}: it is no option of ${meant.type} but of ${types.join(", ")}`;
  if (knowing.length > 0) {
    const value = path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)?.[key], raw);
    const beside = Object.keys(value as object).filter(
      (other) => keys.includes(other) && !knowing[0]!.keys.includes(other),
    );
    return `"${key}" does not go with ${beside.map((other) => `"${other}"`).join(", ")}; give one of them`;
  }
  const lead = leads.ofKey?.(key, path);
  const near =
    nearest(key, keys) ??
    nearest(
      key,
      others.flatMap((other) => other.keys),
    );
  const hint = lead ?? (near === undefined ? undefined : `did you mean "${near}"?`);
  return `${what}${hint === undefined ? suggestion(key, keys) : ` (${hint})`}`;
}

/** What is to be done where a value is of the wrong kind in a way that is common. */
function cure(issue: z.core.$ZodIssue, found: unknown): string {
  if (issue.code !== "invalid_type") return "";
  if (found === null) return "; leave the key out for its default";
  if (issue.expected === "array") return "; put it in brackets: [ … ]";
  if (issue.expected === "boolean" && typeof found === "string" && /^(yes|no|on|off)$/i.test(found))
    return `; write ${/^(yes|on)$/i.test(found)}`;
  if (issue.expected === "number" && typeof found === "string" && found.trim() !== "" && Number.isFinite(Number(found)))
    return "; write it without quotes";
  return "";
}

/** Where one text was given in place of the keys among which it would be a path or a type. */
function placed(found: unknown, path: readonly PropertyKey[], { schema, raw }: Given): string {
  if (Array.isArray(found) && alternativesAt(schema, path, {}).some(({ keys }) => keys.includes("mix")))
    return "; write { mix: [ … ] }";
  if (typeof found !== "string") return "";
  const alternatives = alternativesAt(schema, path, raw);
  const named = alternatives.some(({ type }) => type === found);
  const key = named ? "type" : alternatives.some(({ keys }) => keys.includes("path")) ? "path" : undefined;
  return key === undefined ? "" : `; write { ${key}: ${found} }`;
}

const isAnotherType = (issues: readonly z.core.$ZodIssue[]): boolean =>
  issues.length === 1 &&
  issues[0]!.path.length === 0 &&
  (issues[0]!.code === "invalid_type" ||
    issues[0]!.code === "invalid_value" ||
    (issues[0]!.code === "invalid_union" && issues[0]!.errors.length > 0 && issues[0]!.errors.every(isAnotherType)));

/** What each alternative expects, once. */
const wantedOf = (errors: readonly (readonly z.core.$ZodIssue[])[]): string =>
  [
    ...new Set(
      errors.flatMap(([issue]) => (issue!.code === "invalid_union" ? wantedOf(issue!.errors) : wanted(issue!))),
    ),
  ].join(" or ");

/**
 * How far what was given is from an alternative: keys that it does not know or misses, or another kind of thing at all. A key
 * that it does not know and that is nearly one that it misses counts less.
 */
function misfit(issues: readonly z.core.$ZodIssue[]): number {
  const missed = issues.flatMap(({ path }) => (path.length === 1 ? [String(path[0])] : []));
  return issues.reduce((sum, issue) => {
    if (issue.code === "unrecognized_keys")
      return sum + issue.keys.reduce((sum, key) => sum + (nearest(key, missed) === undefined ? 1 : 0.5), 0);
    if (issue.code === "invalid_union" && issue.path.length === 0 && issue.errors.length > 0)
      return sum + Math.min(...issue.errors.map(misfit));
    return sum + (issue.path.length === 0 ? 10 : issue.path.length === 1 ? 0.5 : 0);
  }, 0);
}
