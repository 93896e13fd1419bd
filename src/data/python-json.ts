/** @file JSON with numbers as Python reads them, for what Python's Jinja would write of them. */

import { Float } from "./chat-template/values.ts";

const MARK = "\u0000float";

/** JSON.parse, but 1.0 and 1e2 are floats, and ints keep all of their digits: values that only a chat template reads. */
export function parseJson(text: string): unknown {
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (part) => {
    const whole = part[0] !== '"' && Number.isInteger(Number(part));
    if (!whole || (!/[.eE]/.test(part) && Number.isSafeInteger(Number(part)))) return part;
    return JSON.stringify({ [MARK]: part });
  });
  return JSON.parse(marked, (_, value) => {
    const number = typeof value === "object" && value !== null && Object.hasOwn(value, MARK) ? value[MARK] : undefined;
    if (typeof number !== "string") return value;
    return /[.eE]/.test(number) ? new Float(Number(number)) : BigInt(number);
  });
}

/** Keys of rows whose values templates write as they are. */
const WRITTEN = new Set(["tools", "arguments", "parameters", "args", "kwargs", "input", "function_call"]);
const MENTIONED = new RegExp(`"(?:${[...WRITTEN].join("|")})"`);

export const isWritten = (key: string): boolean => WRITTEN.has(key);

/** A number of a column of floats, as a template writes it. */
export const asWritten = (value: number): unknown => (Number.isInteger(value) ? new Float(value) : value);

/** JSON of a row: numbers are JavaScript's own, except in what a chat template may write. */
export const parseRow = (text: string): unknown =>
  MENTIONED.test(text) ? withPlainNumbers(parseJson(text)) : JSON.parse(text);

function withPlainNumbers(value: unknown): unknown {
  if (value instanceof Float) return value.value;
  if (typeof value === "bigint" || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withPlainNumbers);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      WRITTEN.has(key) && typeof inner === "object" && inner !== null && !(inner instanceof Float)
        ? inner
        : withPlainNumbers(inner),
    ]),
  );
}
