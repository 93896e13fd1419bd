/** @file What was given and what is expected, in words. */

import type { z } from "zod";

const LONGEST = 60;

/** A value as a sentence names it. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "keys and values";
  if (typeof value !== "string") return String(value);
  return `the text "${value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value}"`;
}

const KINDS: Record<string, string> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "keys and values",
  record: "keys and values",
};

const kind = (name: string): string => KINDS[name] ?? name;

/** What a schema expects where it found something else. */
export function wanted(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return kind(issue.expected);
    case "invalid_value":
      return issue.values.map(String).join(", ");
    case "too_small":
      return `${sized(issue.origin)}${issue.inclusive ? "at least" : "more than"} ${issue.minimum}${unit(issue.origin, issue.minimum)}`;
    case "too_big":
      return `${sized(issue.origin)}${issue.inclusive ? "at most" : "less than"} ${issue.maximum}${unit(issue.origin, issue.maximum)}`;
    default:
      return issue.message;
  }
}

const sized = (origin: string): string => (origin === "string" || origin === "array" ? `${kind(origin)} of ` : "");

function unit(origin: string, many: number | bigint): string {
  const name = origin === "string" ? " character" : origin === "array" ? " element" : "";
  return name === "" || many === 1 ? name : `${name}s`;
}
