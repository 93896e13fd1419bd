/** @file Python's operators, and access to items, attributes and slices. */

import { method, repeated } from "./methods.ts";
import { str } from "./text.ts";
import {
  characters,
  compare,
  equal,
  Float,
  float,
  isFloat,
  isList,
  items,
  keyOf,
  Markup,
  Namespace,
  numberOf,
  Tuple,
  textOf,
  truth,
  typeName,
} from "./values.ts";

export const BINARY: Record<string, (a: unknown, b: unknown) => unknown> = {
  "==": equal,
  "!=": (a, b) => !equal(a, b),
  "<": (a, b) => compare(a, b) < 0,
  ">": (a, b) => compare(a, b) > 0,
  "<=": (a, b) => compare(a, b) <= 0,
  ">=": (a, b) => compare(a, b) >= 0,
  in: (a, b) => contains(b, a),
  "not in": (a, b) => !contains(b, a),
  "~": (a, b) => str(a) + str(b),
  "+"(a, b) {
    const [s, t] = [textOf(a), textOf(b)];
    if (s !== undefined && t !== undefined)
      return a instanceof Markup || b instanceof Markup ? new Markup(escaped(a) + escaped(b)) : s + t;
    if (isList(a) && isList(b) && typeName(a) === typeName(b)) return a.concat(b);
    return arithmetic("+", (x, y) => x + y)(a, b);
  },
  "-": arithmetic("-", (x, y) => x - y),
  "*"(a, b) {
    const [what, times] = numberOf(a) === undefined ? [a, b] : [b, a];
    const text = textOf(what);
    if (text !== undefined && Number.isInteger(times)) return repeated(text, times as number);
    return arithmetic("*", (x, y) => x * y)(a, b);
  },
  "/": (a, b) =>
    float(
      numberOf(
        arithmetic(
          "/",
          divided((x, y) => x / y),
        )(a, b),
      )!,
    ),
  "//": arithmetic(
    "//",
    divided((x, y) => Math.floor(x / y)),
  ),
  "%": arithmetic(
    "%",
    divided((x, y) => x - y * Math.floor(x / y)),
  ),
  "**": arithmetic("**", (x, y) => x ** y),
};

function divided(of: (x: number, y: number) => number) {
  return (x: number, y: number): number => {
    if (y === 0) throw new Error("division by zero");
    return of(x, y);
  };
}

function arithmetic(name: string, of: (x: number, y: number) => number) {
  return (a: unknown, b: unknown): unknown => {
    const [x, y] = [numberOf(a), numberOf(b)];
    if (x === undefined || y === undefined)
      throw new Error(`unsupported operands for ${name}: '${typeName(a)}' and '${typeName(b)}'`);
    const result = of(x, y);
    if (isFloat(a) || isFloat(b)) return float(result);
    if (Number.isInteger(result) && !Number.isSafeInteger(result))
      throw new Error(`${str(a)} ${name} ${str(b)} has more digits than are computed with`);
    return result;
  };
}

const HTML: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };

/** The text with HTML's characters escaped, unless it is marked as safe. */
export const escaped = (value: unknown): string =>
  value instanceof Markup ? value.text : str(value).replace(/[&<>'"]/g, (character) => HTML[character]!);

function contains(whole: unknown, part: unknown): boolean {
  const text = textOf(whole);
  if (text !== undefined) {
    const what = textOf(part);
    if (what === undefined) throw new Error(`'in <string>' requires a text as its left operand, not ${typeName(part)}`);
    return text.includes(what);
  }
  return whole instanceof Map ? whole.has(keyOf(part)) : items(whole).some((item) => equal(item, part));
}

/** not, - and + before a value. */
export function unary(name: string, value: unknown): unknown {
  if (name === "not") return !truth(value);
  const number = numberOf(value);
  if (number === undefined) throw new Error(`bad operand type for unary ${name}: '${typeName(value)}'`);
  const result = name === "-" ? -number : number;
  return isFloat(value) ? new Float(result) : result + 0; // an int has no -0
}

/** object.name: a method before a key, as Jinja asks getattr first. */
export function attributeOf(object: unknown, name: string): unknown {
  if (object instanceof Namespace) return object.names.get(name);
  return method(object, name) ?? (object instanceof Map ? object.get(name) : undefined);
}

/** object[key]: a key before a method. */
export function itemOf(object: unknown, key: unknown): unknown {
  if (object instanceof Map && object.has(keyOf(key))) return object.get(keyOf(key));
  const index = isFloat(key) ? undefined : numberOf(key);
  const text = textOf(object);
  const list = text === undefined ? object : characters(text);
  if (index !== undefined) return isList(list) ? list.at(index) : undefined;
  const name = textOf(key);
  return name === undefined ? undefined : attributeOf(object, name);
}

/** object[start:stop:step] */
export function sliceOf(object: unknown, bounds: readonly unknown[]): unknown {
  const text = textOf(object);
  const all = text === undefined ? object : characters(text);
  if (!isList(all)) throw new Error(`'${typeName(object)}' object has no slices`);
  const [start, stop, step = 1] = bounds.map((bound) => {
    if (bound === undefined || bound === null) return undefined;
    if (isFloat(bound) || numberOf(bound) === undefined) throw new Error("a slice has whole numbers as its bounds");
    return numberOf(bound)!;
  });
  if (step === 0) throw new Error("slice step cannot be zero");
  const [least, most] = step > 0 ? [0, all.length] : [-1, all.length - 1];
  const within = (bound: number) => Math.min(most, Math.max(least, bound < 0 ? bound + all.length : bound));
  const from = start === undefined ? (step > 0 ? least : most) : within(start);
  const to = stop === undefined ? (step > 0 ? most : least) : within(stop);
  const taken: unknown[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) taken.push(all[i]);
  if (text !== undefined) return taken.join("");
  return object instanceof Tuple ? Tuple.from(taken) : taken;
}
