/** @file Values as text: Python's str and repr, and JSON as transformers' filter tojson writes it. */

import { bounded, Float, isList, Markup, Namespace, numberOf, Tuple, textOf, typeName } from "./values.ts";

/** str(value): what {{ … }} writes. */
export const str = (value: unknown): string => textOf(value) ?? (value === undefined ? "" : repr(bounded(value)));

/** repr(value): what a value is written as within a list or a dict. */
export function repr(value: unknown): string {
  if (value === undefined) return "Undefined";
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  const text = textOf(value);
  if (text !== undefined) return value instanceof Markup ? `Markup(${quoted(text)})` : quoted(text);
  const number = numberText(value);
  if (number !== undefined) return number;
  if (value instanceof Tuple) return `(${value.map(repr).join(", ")}${value.length === 1 ? "," : ""})`;
  if (isList(value)) return `[${value.map(repr).join(", ")}]`;
  if (value instanceof Map) return `{${[...value].map(([key, item]) => `${repr(key)}: ${repr(item)}`).join(", ")}}`;
  throw new Error(`it writes a ${value instanceof Namespace ? "namespace" : typeName(value)}, which has no text`);
}

const ESCAPES: Record<string, string> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** In single quotes, unless the text has some and no double ones. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\\n\r\t]|[\p{C}\p{Z}]/gu, (character) =>
    character === " " ? character : (ESCAPES[character] ?? codePoint(character.codePointAt(0)!)),
  );
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

function codePoint(code: number): string {
  const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : (["U", 8] as const);
  return `\\${letter}${code.toString(16).padStart(digits as number, "0")}`;
}

/** An int or a float, where the value is one. */
function numberText(value: unknown): string | undefined {
  if (value instanceof Float || (typeof value === "number" && !Number.isInteger(value)))
    return floatText(numberOf(value)!);
  return typeof value === "number" || typeof value === "bigint" ? BigInt(value).toString() : undefined;
}

/** repr of a float: the fewest digits that give it back, with an exponent below 1e-4 and from 1e16 on. */
function floatText(x: number): string {
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x < 0 ? "-inf" : "inf";
  const [digits, power] = x.toExponential().split("e") as [string, string];
  const exponent = Number(power);
  if (x !== 0 && (exponent < -4 || exponent >= 16))
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  return `${Object.is(x, -0) ? "-" : ""}${x}${Number.isInteger(x) ? ".0" : ""}`;
}

export type JsonOptions = {
  ensure_ascii: boolean;
  /** What a level is indented by; nothing is broken into lines without it. */
  indent: string | undefined;
  separators: readonly [item: string, key: string];
  sort: (keys: unknown[]) => unknown[];
};

/** json.dumps(value). */
export function toJson(value: unknown, options: JsonOptions, margin = "\n"): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return String(value);
  const text = textOf(value);
  if (text !== undefined) return jsonText(text, options.ensure_ascii);
  const number = numberText(value);
  if (number !== undefined) return NOT_FINITE[number] ?? number;
  const inner = margin + (options.indent ?? "");
  const within = (open: string, parts: string[], close: string) => {
    if (parts.length === 0) return open + close;
    if (options.indent === undefined) return open + parts.join(options.separators[0]) + close;
    return open + inner + parts.join(options.separators[0] + inner) + margin + close;
  };
  if (isList(value))
    return within(
      "[",
      value.map((item) => toJson(item, options, inner)),
      "]",
    );
  if (!(value instanceof Map)) throw new Error(`Object of type ${typeName(value)} is not JSON serializable`);
  const pair = (key: unknown) => {
    const name = textOf(key) ?? toJson(key, options);
    return jsonText(name, options.ensure_ascii) + options.separators[1] + toJson(value.get(key), options, inner);
  };
  return within("{", options.sort([...value.keys()]).map(pair), "}");
}

const NOT_FINITE: Record<string, string> = { nan: "NaN", inf: "Infinity", "-inf": "-Infinity" };

function jsonText(text: string, ascii: boolean): string {
  const written = JSON.stringify(text);
  if (!ascii) return written;
  return written.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
