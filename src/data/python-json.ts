/** @file JSON with numbers as Python reads them, for texts that Python's Jinja would write. */

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
