/** @file Values of a row as they are meant. */

import { parseRow } from "./python-json.ts";

/** Why a row cannot be used: a sentence without its end, behind where the row stands. */
export class RowFault extends Error {}

/** A fault as a sentence that begins with where the row stands. */
export const located = (where: string, { message }: RowFault): string =>
  `${where}${message.startsWith("turn ") ? "," : ""} ${message}.`;

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A text that holds an object or a list as JSON, as these; anything else as it is. */
export function parsedText(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return parseRow(value);
  } catch {
    return value;
  }
}

/** A value as its JSON begins. */
export const brief = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 40);

/** Whether a column holds nothing. */
export const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);

/**
 * A text, or an integer as one: other numbers can be written in several ways. Half of a surrogate pair is no character, and
 * would be another text when it is read again.
 */
export function textOf(value: unknown, name: string): string {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
  if (typeof value !== "string")
    throw new RowFault(
      `has ${kind(value)} as its ${name}. Expected a text${typeof value === "object" && value !== null ? ": write it as JSON in one, or leave such rows out" : ""}`,
    );
  return wellFormed(value, name);
}

/** A text that is made of whole characters. */
export function wellFormed(text: string, name: string): string {
  if (!text.isWellFormed())
    throw new RowFault(
      `has half of a surrogate pair (\\u${surrogate(text)}) in its ${name}, which is no character. Mend the text`,
    );
  return text;
}

/** A value of JSON whose texts, and the names of whose keys, are made of whole characters. */
export function wellFormedIn<Value>(value: Value, name: string): Value {
  if (typeof value === "string") wellFormed(value, name);
  else if (typeof value === "object" && value !== null)
    for (const [key, inner] of Object.entries(value)) {
      wellFormed(key, name);
      wellFormedIn(inner, name);
    }
  return value;
}

/** A value as the list that it is, or as that which it says in JSON; `what` names it, and `of` what is in it. */
export function listIn(value: unknown, what: string, of: string): readonly unknown[] {
  const list = parsedText(value);
  if (Array.isArray(list)) return list;
  const found = typeof list === "string" ? `the text ${JSON.stringify(list.slice(0, 40))}` : kind(list);
  const cure =
    typeof list === "string" && PYTHON.test(list)
      ? ", which is Python's way to print one and not JSON. Write it with json.dumps"
      : `. Expected a list of ${of}, or its JSON`;
  throw new RowFault(`has ${what} that are no list but ${found}${cure}`);
}

/** How Python prints a list or an object. */
const PYTHON = /^\s*[[{]\s*[[{]?\s*'/;

export const kind = (value: unknown): string =>
  value === null || value === undefined
    ? "null"
    : typeof value === "object"
      ? Array.isArray(value)
        ? "a list"
        : "an object"
      : JSON.stringify(value);

function surrogate(text: string): string {
  for (const character of text) if (!character.isWellFormed()) return character.charCodeAt(0).toString(16);
  return "";
}

/** The key of an object under which there are objects, as where a file of rows is one object. */
export const rowsUnder = (value: Record<string, unknown>): string | undefined =>
  Object.keys(value).find((key) => Array.isArray(value[key]) && isRecord((value[key] as unknown[])[0]));

/** What is said of such rows. */
export const under = (key: string): string =>
  `rows under "${key}". Give those alone, as an array or one a line, as jq '.${key}' writes them`;
